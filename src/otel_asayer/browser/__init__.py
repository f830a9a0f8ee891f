"""What runs in the browser: `carry-session.js`, which `otel-asayer browser` writes out."""
