"""Elasticsearch over HTTP: client, request pool, bulk requests and answers, messages."""
