import re

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from roundtruth import steps
from roundtruth.job import Job
from roundtruth.report import outlook, uri
from tasks import VERB, key


@task(**VERB)
def report(job: str) -> None:
    """The page a person reads is written, and its pictures and rounds are shown in the UI."""
    opened = Job(job)
    summary, drawn = steps.write_report(opened)
    rounds = [{name: value for name, value in row.items() if name != "seconds"} for row in summary["rounds"]]
    create_table_artifact(rounds, key=key(opened, "rounds"), description=headline(summary))
    # an image artifact shows its whole address as text; a picture inside markdown looks right
    titles = {name: name.replace("-", " ").capitalize() for name in drawn}
    pictures = "\n\n".join(f"### {titles[name]}\n\n![{titles[name]}]({uri(png)})" for name, png in drawn.items())
    page = f"{opened.address}/report/index.html"
    text = f"{headline(summary)}\n\nThe whole page: `{page}`\n\n{about(opened, summary)}\n\n{pictures}"
    create_markdown_artifact(text, key=key(opened, "report"), description="The report's pictures")


def headline(summary: dict) -> str:
    cost = summary["cost"]
    return (
        f"{summary['human']} items labeled by people, {summary['auto']} by the model, of {summary['items']}: "
        f"{cost['total']:.2f} instead of {cost['all_human']:.2f}, "
        f"{100 * cost['saving']:.1f} % saved ({summary['state']})"
        + (f"; rows of answers that people must mend: {summary['rejected']}" if summary["rejected"] else "")
    )


def about(job: Job, summary: dict) -> str:
    """What was read and, until the job has ended, what lies ahead, as a list in Markdown."""
    ended = summary["state"] in ("complete", "stopped")
    lines = [*outlook.read(job, summary), *([] if ended else outlook.ahead(job, summary))]
    return "\n".join(f"- {name}: {as_text(said)}" for name, said in lines)


def as_text(said: str) -> str:
    """Names of files and people are in it, which are no Markdown and no HTML."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&])", r"\\\1", " ".join(said.split()))
