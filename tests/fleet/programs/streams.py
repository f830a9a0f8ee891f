"""Kafka, by kafka-python and by confluent-kafka: each message in its session, batches of several.

The consumers run in the session `STARTER`. KAFKA_PORT is where the broker listens.
"""

from __future__ import annotations

import os
from typing import Any

import confluent_kafka
import kafka

import otel_asayer
from fleet.programs.telling import SESSIONS, STARTER, tell, within

BROKER = f"127.0.0.1:{os.environ['KAFKA_PORT']}"
SECONDS = 60
HEADERS: list[Any] = [("schema", b"7")]


def expected(value: bytes | None) -> str | None:
    return (value or b"").decode() or None


def use_kafka_python() -> None:
    producer = kafka.KafkaProducer(bootstrap_servers=BROKER)
    for session_id in SESSIONS:
        with within(session_id):
            value = (session_id or "").encode()
            producer.send("iterated", value).get(SECONDS)
            producer.send("polled", value).get(SECONDS)
            producer.send("shared", value, headers=HEADERS).get(SECONDS)
    producer.close()
    settings = {"bootstrap_servers": BROKER, "auto_offset_reset": "earliest"}
    with otel_asayer.session(STARTER):
        for topic in ("iterated", "shared"):
            consumer = kafka.KafkaConsumer(topic, **settings)
            for _ in SESSIONS:
                message = next(consumer)
                tell(topic, expected(message.value))
                with otel_asayer.received(message.headers):
                    tell(f"{topic}+", expected(message.value))
            consumer.close()
        consumer = kafka.KafkaConsumer("polled", **settings)
        seen = 0
        while seen < len(SESSIONS):
            for batch in consumer.poll(SECONDS * 1000).values():
                for message in batch:
                    seen += 1
                    tell("polled", expected(message.value))
                    with otel_asayer.received(message.headers):
                        tell("polled+", expected(message.value))
        consumer.close()


def use_confluent_kafka() -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": BROKER})
    headers = list(HEADERS)
    for session_id in SESSIONS:
        with within(session_id):
            value = (session_id or "").encode()
            producer.produce("confluent-polled", value)
            producer.produce("confluent-batch", value)
            producer.produce("confluent-shared", value, headers=headers)
    producer.flush(SECONDS)
    with otel_asayer.session(STARTER):
        for topic in ("confluent-polled", "confluent-shared"):
            consumer = subscribed(topic)
            for _ in SESSIONS:
                message: Any = consumer.poll(SECONDS)
                tell(topic, expected(message.value()))
                with otel_asayer.received(message.headers()):
                    tell(f"{topic}+", expected(message.value()))
            consumer.close()
        consumer = subscribed("confluent-batch")
        seen = 0
        while seen < len(SESSIONS):
            for message in consumer.consume(len(SESSIONS), SECONDS):
                seen += 1
                tell("confluent-batch", expected(message.value()))
                with otel_asayer.received(message.headers()):
                    tell("confluent-batch+", expected(message.value()))
        consumer.close()


def subscribed(topic: str) -> confluent_kafka.Consumer:
    settings = {"bootstrap.servers": BROKER, "group.id": topic, "auto.offset.reset": "earliest"}
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe([topic])
    return consumer


if __name__ == "__main__":
    use_kafka_python()
    use_confluent_kafka()
