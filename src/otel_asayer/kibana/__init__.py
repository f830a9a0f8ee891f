"""What Kibana shows of the documents, as saved objects: data views whose session ids open the
replay, two searches and a dashboard.

`otel-asayer.ndjson` beside this module is the same without a replay's URL, ready to be imported.
"""

from otel_asayer.kibana.objects import ndjson, saved_objects
from otel_asayer.kibana.views import session_link

__all__ = ["ndjson", "saved_objects", "session_link"]
