"""The lines of the log, in the form that LOG_FORMAT names."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from shrinkmeister_server.observability.access_log import VISIT, RequestLog
from shrinkmeister_server.observability.timing import MAKING

NAMESPACE = "Shrinkmeister"
UNITS = {
    "Requests": "Count",
    "Milliseconds": "Milliseconds",
    "Made": "Count",
    "MakingMilliseconds": "Milliseconds",
}


class JsonFormatter(logging.Formatter):
    """A line is one JSON object: time, level, logger, and the fields of a request or a message."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record))

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        fields |= getattr(record, "visit", None) or {"message": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return fields


class EmfFormatter(JsonFormatter):
    """The same, and CloudWatch makes metrics of the lines of requests.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = super().fields(record)
        if not hasattr(record, "visit"):
            return fields
        values = {"Requests": 1, "Milliseconds": fields["milliseconds"]}
        if fields["outcome"] == "made":
            phases = fields["phases"].items()
            values["Made"] = 1
            values["MakingMilliseconds"] = round(sum(one for phase, one in phases if phase in MAKING), 1)
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["outcome"]],
            "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
        }
        metadata = {"Timestamp": int(record.created * 1000), "CloudWatchMetrics": [directive]}
        return {**fields, **values, "_aws": metadata}


class UntoldErrors(logging.Filter):
    """For Django's own lines about errors, which name the path, and so the token.

    Lets pass what no line of a request tells: what has failed around the views.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        record.msg, record.args = "The server failed", ()
        visit: RequestLog | None = vars(getattr(record, "request", record)).get(VISIT)
        return error is not None and not (visit and visit.exception is error)
