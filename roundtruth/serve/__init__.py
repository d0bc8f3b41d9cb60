"""The server of the labeling page: who may see what, who gets which item, and what they said.

    links    signed links: one names a worker and reaches the items given to that worker, nothing else
    desk     one job: hands out items and takes answers, by the logs of `roundtruth.workforce.page_log`
    site     the routes, with their limits and headers
    web/     what the browser runs: plain modules, no build step

The server holds nothing that cannot be read from the job folder again.
"""
