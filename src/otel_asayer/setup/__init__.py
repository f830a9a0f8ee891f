"""What has to be in Elasticsearch:

index templates, aliases, pipelines, keys, privileges, retention.
"""
