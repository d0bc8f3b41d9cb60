"""The command line: demo, label, run, serve, link, forecast, status, stop, report, export, certify.

Exit codes: 0 done, 1 a fault, 2 the user's mistake (one line on standard error), 3 waiting for people, 4 stopped at the
budget, 5 another run holds the job, 130 interrupted. A command imports only what it needs, so `status` answers at once.
"""

import argparse
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from roundtruth.errors import Held, S3Fault, UserError
from roundtruth.terminal import lines, put

DONE, FAULT, MISTAKE, WAITING, BUDGET, HELD = range(6)
INTERRUPTED = 130  # as a shell has it for Ctrl-C
WATCH = 3.0  # seconds between two looks at a job
PORT = 8484  # of the labeling page
PATIENCE = 5.0  # seconds that an interrupted command has to end cleanly; the job folder survives any other end, too


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = parser().parse_args(argv)
        with interruptible(argv):
            return args.verb(args)
    except (UserError, S3Fault) as mistake:
        return say(str(mistake), MISTAKE)
    except Held as elsewhere:
        return say(str(elsewhere), HELD)
    except KeyboardInterrupt as asked:
        return interrupted(argv, str(asked))
    except OSError as outside:  # the disk or the network
        return say(f"{outside}; run the command again when this works. The log is {log()}", FAULT)
    except Exception:
        say(f"This is a fault in roundtruth. Nothing is lost. The log is {log()}", FAULT)
        raise


def log() -> str:
    """Write the exception that is handled now, and what it happened in, to a file; its path."""
    import platform
    import tempfile
    import traceback
    from importlib.metadata import version

    about = [sys.argv, f"roundtruth {version('roundtruth')}", platform.python_version(), platform.platform()]
    try:
        with tempfile.NamedTemporaryFile("w", prefix="roundtruth-", suffix=".log", delete=False) as file:
            file.write("".join(f"{line}\n" for line in about) + traceback.format_exc())
            return file.name
    except OSError as error:
        return f"not kept: {error}"


@contextmanager
def interruptible(argv: list[str]) -> Iterator[None]:
    """Ctrl-C or SIGTERM ends the command even if KeyboardInterrupt is lost (for example in a library's callback) or
    becomes another exception (in Prefect, between two states of a run).

    A thread hears of the signals from the kernel, because Prefect handles SIGTERM itself while a flow runs.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    asked, ended = threading.Event(), threading.Event()

    def listen() -> None:
        while number := os.read(heard, 1)[0]:
            if number in (signal.SIGINT, signal.SIGTERM):
                asked.set()
                if not ended.wait(PATIENCE):
                    os._exit(interrupted(argv))

    def interrupt(signum, frame) -> None:
        raise KeyboardInterrupt

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    listener.start()
    number_to = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(number_to)
        ended.set()
        os.write(told, b"\0")
        listener.join()
        os.close(heard)
        os.close(told)
        if asked.is_set():
            raise KeyboardInterrupt


def interrupted(argv: list[str], why: str = "") -> int:
    again = shlex.join(["roundtruth", *argv])
    what = "goes on with it" if argv[:1] in (["run"], ["demo"], ["stop"], ["label"], ["serve"]) else "does it again"
    return say(f"{why or 'interrupted'}; `{again}` {what}", INTERRUPTED)


def say(line: str, code: int) -> int:
    with suppress(BrokenPipeError):  # nobody reads
        print(" ".join(line.splitlines()), file=sys.stderr)
    return code


class Parser(argparse.ArgumentParser):
    """`arguments(parser)` adds the arguments when they are needed, because listing their choices may import much."""

    arguments: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(self, *args, **kwargs):
        if self.arguments:
            self.arguments(self)
        return super().parse_known_args(*args, **kwargs)

    def _print_message(self, message: str, file=None) -> None:
        put(message.removesuffix("\n"))  # a help text; mistakes are raised

    def error(self, message: str):
        raise UserError(f"{self.prog}: {message}; see {self.prog} --help")


class Version(argparse.Action):
    """Looks up the version only where it is asked for."""

    def __call__(self, parser, *_):
        from importlib.metadata import version

        put(f"roundtruth {version('roundtruth')}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="roundtruth", description="Label a dataset with people and a model together.")
    top.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    verbs = top.add_subparsers(required=True, metavar="VERB", parser_class=Parser)

    def verb(name: str, what: Callable, help: str, arguments: Callable) -> None:
        added = verbs.add_parser(name, help=help, description=help)
        added.set_defaults(verb=what)
        added.arguments = arguments

    verb("demo", demo, "Run a whole job on built-in pictures: no account, no network.", demo_arguments)
    verb(
        "label",
        label,
        "Label a job alone, on a page in the browser, from the first batch to the end.",
        page_arguments,
    )
    verb("run", run, "Run a job, or continue it, until it is done or waits for people.", job_and_json)
    verb("serve", serve, "Serve the labeling page of a job, or of all jobs below a folder.", serve_arguments)
    verb("link", link, "Make a link to the labeling page for a person, or list or revoke links.", link_arguments)
    verb("forecast", forecast, "Forecast what a job will cost, before anything is spent.", job_and_json)
    verb("status", status, "Show the rounds, who is waited for, what comes next, and the money.", status_arguments)
    verb("stop", stop, "Stop asking people, and write the manifest with the labels so far.", job_argument)
    verb("report", report, "Write the report page again.", job_argument)
    verb("export", export, "Write the labels in another format.", export_arguments)
    verb(
        "certify",
        certify,
        "Say what can be promised about a table of predictions of which people checked some at random.",
        certify_arguments,
    )
    return top


def job_argument(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("job", metavar="JOB.yaml", help="the job file")


def job_and_json(verb: argparse.ArgumentParser) -> None:
    job_argument(verb)
    verb.add_argument("--json", action="store_true", help="print JSON and nothing else")


def status_arguments(verb: argparse.ArgumentParser) -> None:
    job_and_json(verb)
    verb.add_argument("--watch", action="store_true", help="go on showing it until the job has ended")


def export_arguments(verb: argparse.ArgumentParser) -> None:
    from roundtruth.formats import exports

    job_argument(verb)
    verb.add_argument("--to", required=True, choices=exports(), help="the format: %(choices)s", metavar="FORMAT")
    verb.add_argument("path", metavar="PATH", help="the file or folder to write: a local path or s3://...")


def certify_arguments(verb: argparse.ArgumentParser) -> None:
    from roundtruth.certify import OF

    verb.add_argument(
        "predictions",
        metavar="PREDICTIONS.csv",
        help="the predictions: the columns item, label and score, one row for each item",
    )
    verb.add_argument(
        "--labels",
        required=True,
        metavar="CHECKED.csv",
        help="people's labels of the checked items: the columns item and label. The checked items must have been drawn "
        "at random from all items of PREDICTIONS.csv, each with the same chance, whatever its score and label; and all "
        "that were drawn must be there. What people saw of the prediction must not change their label",
    )
    verb.add_argument(
        "--quality",
        required=True,
        type=share,
        metavar="SHARE",
        help="the share of right labels to promise, such as 0.95",
    )
    verb.add_argument(
        "--confidence", default=0.95, type=share, metavar="SHARE", help="how sure the promise is; default: %(default)s"
    )
    verb.add_argument(
        "--of",
        choices=OF,
        default=OF[0],
        metavar="WHAT",
        help="which labels are promised: auto-labels are those of the model alone; dataset is all labels, with "
        "people's counted as right; default: %(default)s",
    )
    verb.add_argument("--json", action="store_true", help="print one line of JSON; notes go to the error output")


def share(text: str) -> float:
    """A number that an option gives. `certified` says whether it is between 0 and 1."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1; say 0.95 for 95 %") from None


def page_arguments(verb: argparse.ArgumentParser) -> None:
    job_argument(verb)
    address_arguments(verb)


def serve_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "jobs", metavar="JOB.yaml|FOLDER", help="a job file, or a folder of job folders: local or s3://..."
    )
    address_arguments(verb)
    url_argument(verb, None, "this machine, at the port that it listens at")


def address_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--host", default="127.0.0.1", help="the address to listen at; default: %(default)s, this machine"
    )
    verb.add_argument("--port", default=PORT, type=int, help="the port to listen at; default: %(default)s")


def url_argument(verb: argparse.ArgumentParser, default: str | None = f"http://127.0.0.1:{PORT}", told="%(default)s"):
    verb.add_argument("--url", default=default, help=f"where people reach the page, as links say; default: {told}")


def link_arguments(verb: argparse.ArgumentParser) -> None:
    job_argument(verb)
    verb.add_argument("name", metavar="NAME", nargs="?", help="the person; without a name all links are listed")
    verb.add_argument("--revoke", action="store_true", help="end the person's links")
    url_argument(verb)


def demo_arguments(verb: argparse.ArgumentParser) -> None:
    from roundtruth.demo import JOBS

    kinds = {"choices": list(JOBS), "default": next(iter(JOBS)), "metavar": "KIND"}
    verb.add_argument("--kind", **kinds, help="what to label: %(choices)s; default: %(default)s")
    verb.add_argument("--dir", default="roundtruth-demo", help="the folder to write to; default: %(default)s")
    verb.add_argument(
        "--compare",
        action="store_true",
        help="also promise the whole dataset, run the ground-truth plan, and compare them with people alone",
    )


@contextmanager
def job_file(path: str | Path) -> Iterator:
    """The spec in a job file. The message about a mistake in one of its keys begins with the file and the key's
    line."""
    from roundtruth.spec import JobSpec, located

    spec = JobSpec.from_file(path)
    try:
        yield spec
    except UserError as mistake:
        raise located(mistake, path) from None


@contextmanager
def begun_job(path: str | Path) -> Iterator:
    """The job that was begun from a job file."""
    # pydantic would look through all installed packages for plugins, which these commands do not need
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from roundtruth.job import Job

    with job_file(path) as spec:
        yield Job(spec.output)


def run(args) -> int:
    from flows.private_server import PrefectServer

    with PrefectServer() as server:
        return run_file(args.job, server, args.json)


def run_file(path: str | Path, server, as_json: bool = False, amazon: bool = False) -> int:
    """Run the job of a job file until it is done or waits for people, show it, and return the exit code."""
    from roundtruth.job import Job

    with job_file(path) as spec:
        summary = settled(spec, server)
        if summary is None:
            with nullcontext() if as_json else lines():
                run_flow(spec, server)
        job = Job(spec.output)
        summary = show(job, as_json, amazon, summary)
    if summary["state"] == "waiting":
        return WAITING
    return BUDGET if summary["state"] == "stopped" and not job.stopped else DONE


def settled(spec, server) -> dict | None:
    """Begin the job, or amend it. Returns its summary if nothing is left to do, so that no server is needed; else None.

    The flow begins the job, too. It is begun here first, so that a mistake in the input is reported before the flow
    runs, and because a private server needs this time to start.
    """
    from roundtruth.begin import begin, hold
    from roundtruth.loop import nothing_to_do
    from roundtruth.storage import open_store
    from roundtruth.summary import summarize
    from roundtruth.terminal import bar

    with hold(spec, "roundtruth run"), bar("checking pictures") as progress:
        new = not open_store(spec.output).exists("job.json")
        if new:
            server.start()
        job = begin(spec, progress)
        summary = None if new else summarize(job)
    return summary if summary and nothing_to_do(job, summary) else None


def label(args) -> int:
    """Label alone: serve the page, and run the job in this process whenever a batch has all its answers."""
    from flows.private_server import PrefectServer
    from roundtruth.serve.alone import labeling

    with job_file(args.job) as spec, PrefectServer() as server:
        need_page(spec)
        if spec.asking.least > 1:
            raise UserError(
                f"workforce: this command is for one person, and the job asks {spec.asking.least} about each item; add "
                "`answers_per_item: 1`, or show the page to several people with `roundtruth serve`"
            )
        summary = settled(spec, server)
        if summary and summary["state"] != "waiting":
            return run_file(args.job, server)  # it has ended, and says so
        with labeling(spec, args.host, args.port) as page:
            put(f"Label at {page.url}")
            page.open()
            while (code := run_file(args.job, server)) == WAITING:
                page.wait()
            page.say_goodbye()
    return code


def need_page(spec) -> None:
    if spec.workforce.backend != "page":
        raise UserError(
            f"workforce: nobody labels on a page in this job; say `backend: page`, not {spec.workforce.backend}"
        )


def serve(args) -> int:
    from roundtruth.serve.team import served

    log_requests()
    address, again = args.jobs, "JOB.yaml"
    if address.endswith((".yaml", ".yml")):
        again = address
        with begun_job(address) as job:
            need_page(job.spec)
            address = job.address

    def complete(name: str, job: str, round: int) -> None:
        from flows.batch_complete import announce

        told = announce(job, name, round)
        more = "Prefect goes on with it" if told else f"`roundtruth run {again}` goes on with it"
        put(f"{name}: round {round} has all its answers; {more}")

    with served(address, args.host, args.port, args.url, complete) as told:
        for line in told:
            put(line)
        threading.Event().wait()
    return DONE


def log_requests() -> None:
    """A line a request on standard error, unless a person would see it there."""
    import logging

    if not sys.stderr.isatty():
        logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
        logging.getLogger("roundtruth.serve").setLevel(logging.INFO)


def link(args) -> int:
    from roundtruth.serve import team

    with begun_job(args.job) as job:
        need_page(job.spec)
        if args.name is None:
            lines = team.listed(job.store, args.url)
        elif args.revoke:
            lines = [team.revoked(job.store, args.name)]
        else:
            lines = [team.link_of(job.store, args.name, args.url)]
    for line in lines:
        put(line)
    return DONE


def run_flow(spec, server) -> None:
    """Run the job's flow in this process. Raises UserError or Held for what a person can put right."""
    server.start()
    from flows.labeling_job import labeling_job  # the import takes about as long as the server takes to start

    with server.in_use():
        state = labeling_job(spec, return_state=True)
    if state.name == "Mistake":
        raise UserError(state.message)
    if state.name == "HeldElsewhere":
        raise Held(state.message)
    if state.is_cancelled():
        raise KeyboardInterrupt("cancelled in Prefect's page")
    if not state.is_completed():
        state.result()  # a fault: this raises it, which shows the traceback and ends with exit code 1


def show(job, as_json: bool, amazon: bool = False, summary: dict | None = None) -> dict:
    """Print how a job stands, and return its summary."""
    from roundtruth.summary import summarize

    summary = summary or summarize(job)
    if as_json:
        put(json.dumps(summary))
    else:
        from roundtruth.terminal import print_summary

        print_summary(job, summary, amazon)
    return summary


def forecast(args) -> int:
    from roundtruth import forecast
    from roundtruth.storage import open_store
    from roundtruth.terminal import forecast_words

    with job_file(args.job) as spec:
        found = forecast.of(spec)
        begun = open_store(spec.output).exists("job.json")
    put(json.dumps(found) if args.json else forecast_words(found, spec.target, begun))
    return DONE


def status(args) -> int:
    if args.watch:
        return watch(args)
    with begun_job(args.job) as job:
        show(job, args.json)
    return DONE


def watch(args) -> int:
    """Show how a job stands until it has ended: on a terminal all of it, in a pipe a line for each change."""
    from roundtruth.summary import summarize
    from roundtruth.terminal import in_a_line, print_summary

    shown, pause = "", threading.Event()
    while True:
        with begun_job(args.job) as job:
            summary = summarize(job)
            now = json.dumps(summary) if args.json else in_a_line(summary)
            if sys.stdout.isatty() and not args.json:
                print_summary(job, summary, alone=True)
            elif now != shown and not put(now):
                return DONE  # nobody reads
        if summary["state"] in ("complete", "stopped"):
            return DONE
        shown = now
        pause.wait(WATCH)


def stop(args) -> int:
    from roundtruth import steps

    with begun_job(args.job) as job:
        with job.store.hold("roundtruth stop"):
            steps.stop(job)
            steps.deliver(job)
            summary, _ = steps.write_report(job)
        show(job, False, summary=summary)
    return DONE


def report(args) -> int:
    from roundtruth import steps

    with begun_job(args.job) as job:
        steps.write_report(job)
    put(f"{job.address}/report/index.html")
    return DONE


def export(args) -> int:
    from roundtruth import formats

    if Path(args.path).absolute() == Path(args.job).absolute():
        raise UserError(f"export: {args.path!r} is the job file; name another file")
    with begun_job(args.job) as job:
        formats.export(job, args.to, args.path)
    put(args.path)
    return DONE


def certify(args) -> int:
    from roundtruth.checked_table import certified, in_words

    found, notes = certified(args.predictions, args.labels, args.quality, args.confidence, args.of)
    if args.json:
        put(json.dumps(found))
        print(*notes, sep="\n", end="\n" if notes else "", file=sys.stderr)
    else:
        put("\n".join([in_words(found, args.confidence), *notes]))
    return DONE


def demo(args) -> int:
    from flows.private_server import PrefectServer
    from roundtruth import demo
    from roundtruth.job import Job
    from roundtruth.terminal import bar, print_comparison

    folder = Path(args.dir)
    with PrefectServer() as server:  # one for all jobs
        if not (folder / "job.yaml").exists():
            server.start()  # it starts while the pictures are made
        try:
            with bar("making pictures"):
                files = [demo.write(folder, args.kind)]
        except OSError as error:
            raise UserError(
                f"{folder}: --dir: no pictures can be written there ({error.strerror}); give another folder"
            ) from None
        with job_file(files[0]) as spec:
            if spec.kind != args.kind:
                raise UserError(f"{folder}: --dir: holds the demo of {spec.kind}; give another folder")
        if args.compare:
            files += demo.others(files[0])
        codes = [run_file(path, server, amazon=args.kind == demo.AMAZONS) for path in files]
    if args.compare:
        jobs = []
        for path in files:
            with job_file(path) as spec:
                jobs.append(Job(spec.output))
        print_comparison(jobs)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
