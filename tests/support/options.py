"""Options of an operator that runs over fakes."""

from datetime import timedelta

from tokenfleet.cli.wiring import Options

OPTIONS = Options(
    namespaces=(),
    prometheus=None,
    tick=timedelta(seconds=15),
    scrape_interval=timedelta(seconds=15),
    disable_shifting=False,
    router_image="router:1",
    fixed_ids=True,
    account="system:serviceaccount:tokenfleet-system:tokenfleet",
    lease_namespace="system",
    lease_name="leader",
    identity="operator-0",
    listen="127.0.0.1",
    probe_port=0,
    metrics_port=0,
    console_port=0,
    console_token=False,
)
