"""The command line: demo, run, forecast, status, stop, report, export.

Exit codes: 0 done, 2 the user's mistake (one line on standard error), 3 waiting for people, 4 stopped at the budget,
5 another run holds the job, 1 a fault.
"""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roundtruth.errors import Held, UserError

DONE, MISTAKE, WAITING, BUDGET, HELD = 0, 2, 3, 4, 5
PATIENCE = 5.0  # seconds an interrupted command may take to end in good order; the job folder stands any end


def main(argv: list[str] | None = None) -> int:
    try:
        args = parser().parse_args(argv)
        with interruptible():
            return args.verb(args)
    except UserError as mistake:
        return say(str(mistake), MISTAKE)
    except Held as elsewhere:
        return say(str(elsewhere), HELD)
    except KeyboardInterrupt:
        return interrupted()


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the command also where the exception is lost on its way, as in a library's callback, or becomes
    another one, as where it meets Prefect between two states of a run.
    """
    lost = threading.Timer(PATIENCE, lambda: os._exit(interrupted()))
    lost.daemon = True

    def interrupt(signum, frame) -> None:
        if not lost.is_alive():
            lost.start()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        asked = lost.is_alive()
        lost.cancel()
        signal.signal(signal.SIGINT, before)
        if asked:
            raise KeyboardInterrupt


def interrupted() -> int:
    return say("interrupted; run it again and it goes on", 130)


def say(line: str, code: int) -> int:
    print(" ".join(line.splitlines()), file=sys.stderr)
    return code


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UserError(f"{self.prog}: {message}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="roundtruth", description="Label a dataset with people and a model together.")
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, what, help: str, *, job: bool = True, asks_json: bool = False) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=help, description=help)
        added.set_defaults(verb=what)
        if job:
            added.add_argument("job", metavar="JOB.yaml", help="the job file")
        if asks_json:
            added.add_argument("--json", action="store_true", help="print JSON, and nothing else")
        return added

    demo_ = verb("demo", demo, "The main job on embedded data: no account, no network.", job=False)
    demo_.add_argument("--kind", choices=["object-detection", "image-classification"], default="object-detection")
    demo_.add_argument("--dir", default="roundtruth-demo", help="where to; default: %(default)s")
    demo_.add_argument("--compare", action="store_true", help="run the plan ground-truth, too, and compare")
    verb("run", run, "Run, or go on with, a job until it is done or waits for people.", asks_json=True)
    verb("forecast", foretell, "What it will cost, before anything is spent.", asks_json=True)
    verb("status", status, "Rounds, who is waited for, money spent.", asks_json=True)
    verb("stop", stop, "Ask nobody any more and write the manifest with what there is.")
    verb("report", report, "Write the page again.")
    export_ = verb("export", export, "Write the labels in another format.")
    export_.add_argument("--to", required=True, metavar="FORMAT", help="coco or csv")
    export_.add_argument("path", metavar="PATH")
    return top


def run(args) -> int:
    return run_file(args.job, args.json)


def run_file(path: str | Path, as_json: bool = False, post: bool = False) -> int:
    """Run the job of a job file as a flow, print how it stands, and give the exit code."""
    from roundtruth.spec import JobSpec, located

    spec = JobSpec.from_file(path)
    try:
        return labeled(spec, as_json, post)
    except UserError as mistake:
        raise located(mistake, path) from None


def labeled(spec, as_json: bool, post: bool) -> int:
    from roundtruth.job import Job, begin, hold

    with hold(spec, "roundtruth run"), bar("checking pictures") as progress:
        begin(spec, progress)  # here already: a mistake is told before a server is started
    state = flow_run(spec)
    if state.name == "Mistake":
        raise UserError(state.message)
    if state.name == "HeldElsewhere":
        raise Held(state.message)
    if not state.is_completed():
        state.result()  # a fault: its traceback, and Python's exit code 1
    job = Job(spec.output)
    summary = show(job, as_json, post)
    if summary["state"] == "waiting":
        return WAITING
    return BUDGET if summary["state"] == "stopped" and not job.stopped else DONE


def flow_run(spec):
    """The final state of the job's flow, run in this process against the configured server or a private one."""
    from flows.private_server import prefect_server, settings

    settings()
    with prefect_server():
        from flows.labeling_job import labeling_job

        return labeling_job(spec, return_state=True)


def bar(what: str):
    from roundtruth.terminal import bar

    return bar(what)


def existing(path: str | Path):
    from roundtruth.job import Job
    from roundtruth.spec import JobSpec

    return Job(JobSpec.from_file(path).output)


def show(job, as_json: bool, post: bool = False) -> dict:
    summary = job.summary()
    if as_json:
        print(json.dumps(summary))
    else:
        from roundtruth.terminal import print_summary

        print_summary(job, summary, post)
    return summary


def foretell(args) -> int:
    from roundtruth import forecast
    from roundtruth.spec import JobSpec, located
    from roundtruth.terminal import forecast_words

    spec = JobSpec.from_file(args.job)
    try:
        found = forecast.of(spec)
    except UserError as mistake:
        raise located(mistake, args.job) from None
    print(json.dumps(found) if args.json else forecast_words(found))
    return DONE


def status(args) -> int:
    show(existing(args.job), args.json)
    return DONE


def stop(args) -> int:
    from roundtruth import steps

    job = existing(args.job)
    with job.store.hold("roundtruth stop"):
        steps.stop(job)
        steps.deliver(job)
        steps.tell(job)
    show(job, False)
    return DONE


def report(args) -> int:
    from roundtruth import steps

    job = existing(args.job)
    steps.tell(job)
    print(f"{job.address}/report/index.html")
    return DONE


def export(args) -> int:
    from roundtruth import formats

    formats.export(existing(args.job), args.to, args.path)
    print(args.path)
    return DONE


def demo(args) -> int:
    from roundtruth import demo
    from roundtruth.spec import JobSpec
    from roundtruth.terminal import print_comparison

    folder = Path(args.dir)
    with bar("making pictures"):
        files = [demo.write(folder, args.kind)]
    kind = JobSpec.from_file(files[0]).kind
    if kind != args.kind:
        raise UserError(f"{folder}: --dir: holds the demo of {kind}; give another folder")
    if args.compare:
        files.append(demo.ground_truth(files[0]))
    from flows.private_server import prefect_server, settings

    settings()
    with prefect_server():  # one for both: what Prefect has still to tell of the first run would find no server
        codes = [run_file(path, post=kind == "object-detection") for path in files]
    if args.compare:
        print_comparison([existing(path) for path in files])
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
