"""What Elasticsearch needs: index templates, aliases, pipeline, keys, privileges, retention."""
