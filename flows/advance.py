"""Go on with every job of a folder that is not at its end: answers may have come."""

from prefect import flow, get_run_logger
from prefect.deployments import run_deployment

from roundtruth import plan
from roundtruth.job import Job
from roundtruth.storage import list_url


@flow(name="advance")
def advance(jobs: str) -> list[str]:
    """Start the deployed labeling-job for each job folder below `jobs` that waits or was cut off; their addresses."""
    going = []
    for address in sorted(url.removesuffix("/job.json") for url in list_url(jobs) if url.endswith("/job.json")):
        job = Job(address)
        if plan.state(job) in ("waiting", "running"):
            run_deployment(
                "labeling-job/labeling-job",
                parameters={"job": job.spec.model_dump(mode="json")},
                flow_run_name=job.spec.name,
                timeout=0,
            )
            going.append(address)
    get_run_logger().info("%d jobs go on: %s", len(going), ", ".join(going) or "-")
    return going
