"""The only door to Elasticsearch:

client, request threads, bulk request and answer, sentences about failures.
"""
