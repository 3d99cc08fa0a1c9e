"""What the recording holds, and how a test changes it."""

RECEIVED = "node_network_receive_bytes_total"
ABSURD = (4e12, -1.0, 0.0, float("inf"))  # far in the future, before all time, its beginning, and no time at all


def row(source, instance):
    return next(each for each in source.hosts().value if each.instance == instance)


def raw(fake, metric, **labels):
    """The recorded samples of one series, the longest answer of it."""
    found = [
        series["values"]
        for one in fake.recorded["answers"]
        for series in (one["body"].get("data") or {}).get("result", [])
        if "values" in series and {"__name__": metric, **labels}.items() <= series["metric"].items()
    ]
    return max(found, key=len)


def edit(metric, change):
    """Changes the recorded samples of a metric: `change(values) -> values`."""

    def body(_, answer):
        for series in (answer.get("data") or {}).get("result", []):
            if series["metric"].get("__name__") == metric and "values" in series:
                series["values"] = change(series["values"])

    return body
