"""The session id and how it travels: header, baggage, context, and on to allowed hosts."""
