"""Writes events with the serializers of confluent-kafka.

A line of stdin is an event: its topic, partition, key, timestampMs, the file of its schema, the full name of its type, and its fields
as JSON.
    python produce.py BROKERS REGISTRY SCHEMAS
REGISTRY is the base URL of Confluent's API, SCHEMAS a folder.
"""

import json
import sys
import tempfile
from importlib import resources
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc

# Protobuf's own files.
KNOWN = resources.files("grpc_tools") / "_proto"

brokers, registry, folder = sys.argv[1:]
client = SchemaRegistryClient({"url": registry})
schemas = Path(folder)


def avro(text):
    """The subject of a union is that of the topic: its values are of one of its types."""
    serializer = AvroSerializer(client, text)
    if isinstance(json.loads(text), list):
        return lambda type_name, event, context: serializer((type_name, event), context)
    return lambda _, event, context: serializer(event, context)


def protobuf(path):
    """A pool of its own for each file: two versions of a message have the same name."""
    pool = descriptor_pool.DescriptorPool()
    with tempfile.NamedTemporaryFile() as out:
        folders = [f"-I{path.parent}", f"-I{KNOWN}"]
        if protoc.main(["protoc", *folders, "--include_imports", f"--descriptor_set_out={out.name}", path.name]) != 0:
            sys.exit(f"{path} is not to be compiled")
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read())
    for file in files.file:
        pool.Add(file)
    serializers = {}

    def write(type_name, event, context):
        of = message_factory.GetMessageClass(pool.FindMessageTypeByName(type_name))
        if type_name not in serializers:
            serializers[type_name] = ProtobufSerializer(of, client, {"use.deprecated.format": False})
        return serializers[type_name](json_format.ParseDict(event, of()), context)

    return write


def json_schema(text):
    serializer = JSONSerializer(text, client)
    return lambda _, event, context: serializer(event, context)


def writer_of(name):
    path = schemas / name
    if path.suffix == ".proto":
        return protobuf(path)
    return (avro if path.suffix == ".avsc" else json_schema)(path.read_text())


def main():
    failures = []
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 20})
    writers = {}
    for text in sys.stdin:
        line = json.loads(text)
        topic, name = line["topic"], line["schema"]
        if name not in writers:
            writers[name] = writer_of(name)
        producer.produce(
            topic,
            key=line["key"],
            value=writers[name](line["type"], line["event"], SerializationContext(topic, MessageField.VALUE)),
            partition=line["partition"],
            timestamp=line["timestampMs"],
            on_delivery=lambda error, _: failures.append(error) if error is not None else None,
        )
        producer.poll(0)
    producer.flush()
    if failures:
        sys.exit(f"{len(failures)} events were not taken, the first because: {failures[0]}")


main()
