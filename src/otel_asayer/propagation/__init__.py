"""The session id and how it travels:

header, baggage, context, and on to the hosts that may know it.
"""
