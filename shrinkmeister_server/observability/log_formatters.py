"""Formatters of log lines, one for each LOG_FORMAT but "text"."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from shrinkmeister_server.observability.access_log import REQUEST_LOG, RequestLog
from shrinkmeister_server.observability.timing import MAKING


class JsonFormatter(logging.Formatter):
    """Writes one JSON object a line: time, level, logger, and the fields of a request or a message."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record))

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        fields |= getattr(record, "request_log", None) or {"message": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return fields


class EmfFormatter(JsonFormatter):
    """Writes the lines of JsonFormatter. CloudWatch makes metrics of those of requests.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = super().fields(record)
        if not hasattr(record, "request_log"):
            return fields
        values = {"Requests": 1, "Milliseconds": fields["milliseconds"]}
        if fields["outcome"] == "made":
            phases = fields["phases"].items()
            values["Made"] = 1
            values["MakingMilliseconds"] = round(sum(one for phase, one in phases if phase in MAKING), 1)
        unit = "Milliseconds"
        directive = {
            "Namespace": "Shrinkmeister",
            "Dimensions": [["outcome"]],
            "Metrics": [
                {"Name": name, "Unit": unit if name.endswith(unit) else "Count"} for name in values
            ],
        }
        metadata = {"Timestamp": int(record.created * 1000), "CloudWatchMetrics": [directive]}
        return {**fields, **values, "_aws": metadata}


class DjangoErrorFilter(logging.Filter):
    """Removes the path, and so the token, from lines of Django and waitress about errors.

    Drops an error that the access log reports with its traceback. Errors around the views pass.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        record.msg, record.args = "The server failed", ()
        request_log: RequestLog | None = vars(getattr(record, "request", record)).get(REQUEST_LOG)
        return error is not None and not (request_log and request_log.exception is error)
