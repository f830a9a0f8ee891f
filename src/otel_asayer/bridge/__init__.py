"""The bridge: replay records for what reached Elasticsearch another way than by our exporter."""
