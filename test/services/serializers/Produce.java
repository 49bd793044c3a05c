import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.TimestampProto;
import com.google.protobuf.util.JsonFormat;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaSerializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaSerializer;
import io.apicurio.registry.utils.protobuf.schema.FileDescriptorUtils;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes events with Apicurio's serializers, in Confluent's format. A line of stdin is an event:
 * its topic, partition, key, timestampMs, the file of its schema, the full name of its type, and
 * its fields as JSON.
 *
 * <p>java -cp 'JARS/*:SCHEMAS' Produce.java BROKERS REGISTRY SCHEMAS, where REGISTRY is the base
 * URL of Apicurio's own API, and SCHEMAS a folder.
 */
public class Produce {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What the Protobuf files of the tests import. */
  private static final Map<String, FileDescriptor> KNOWN =
      Map.of("google/protobuf/timestamp.proto", TimestampProto.getDescriptor());

  /** Serializes an event of a type, as JSON, for a topic. */
  private interface Writer {
    byte[] write(String topic, String type, JsonNode event) throws Exception;
  }

  private final String registry;
  private final Path schemas;
  private final Map<String, Writer> writers = new HashMap<>();

  private Produce(String registry, Path schemas) {
    this.registry = registry;
    this.schemas = schemas;
  }

  public static void main(String[] args) throws Exception {
    var produce = new Produce(args[1], Path.of(args[2]));
    Map<String, Object> config = Map.of("bootstrap.servers", args[0], "linger.ms", 20);
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (var producer =
        new KafkaProducer<>(config, new StringSerializer(), new ByteArraySerializer())) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        sent.add(producer.send(produce.record(JSON.readTree(line))));
      }
      for (var each : sent) each.get();
    }
    // The serializers' HTTP client leaves threads behind.
    System.exit(0);
  }

  private ProducerRecord<String, byte[]> record(JsonNode line) throws Exception {
    String topic = line.get("topic").asText();
    String schema = line.get("schema").asText();
    Writer writer = writers.get(schema);
    if (writer == null) writers.put(schema, writer = writerOf(schema));
    byte[] value = writer.write(topic, line.get("type").asText(), line.get("event"));
    int partition = line.get("partition").asInt();
    long timestampMs = line.get("timestampMs").asLong();
    return new ProducerRecord<>(topic, partition, timestampMs, line.get("key").asText(), value);
  }

  private Writer writerOf(String file) throws Exception {
    String text = Files.readString(schemas.resolve(file));
    if (file.endsWith(".avsc")) return avro(new Schema.Parser().parse(text));
    return file.endsWith(".proto") ? protobuf(file, text) : json(file);
  }

  /** A value of a union is written with the schema of its own type, as Java's classes are. */
  private Writer avro(Schema schema) {
    var serializer = configured(new AvroKafkaSerializer<Object>(), Map.of());
    return (topic, type, event) -> {
      Schema of = schema;
      if (schema.isUnion()) of = schema.getTypes().get(schema.getIndexNamed(type));
      return serializer.serialize(topic, new RecordHeaders(), avroValue(of, event));
    };
  }

  /** A field that the event lacks gets its default. */
  private static Object avroValue(Schema schema, JsonNode value) {
    switch (schema.getType()) {
      case RECORD:
        var record = new GenericRecordBuilder(schema);
        for (var field : schema.getFields()) {
          JsonNode of = value.get(field.name());
          if (of != null) record.set(field, avroValue(field.schema(), of));
        }
        return record.build();
      case UNION:
        for (var type : schema.getTypes()) {
          if ((type.getType() == Schema.Type.NULL) == value.isNull()) return avroValue(type, value);
        }
        throw new IllegalArgumentException("no type of " + schema + " fits");
      case ENUM:
        return new GenericData.EnumSymbol(schema, value.asText());
      case NULL:
        return null;
      case INT:
        return value.intValue();
      case LONG:
        return value.longValue();
      case FLOAT:
        return value.floatValue();
      case DOUBLE:
        return value.doubleValue();
      case STRING:
        return value.asText();
      default:
        throw new IllegalArgumentException("no events have a " + schema.getType());
    }
  }

  private Writer protobuf(String name, String text) throws Exception {
    var proto = FileDescriptorUtils.toFileDescriptorProto(text, name, Optional.empty(), Map.of());
    List<FileDescriptor> imported = new ArrayList<>();
    for (String each : proto.getDependencyList()) imported.add(KNOWN.get(each));
    var file = FileDescriptor.buildFrom(proto, imported.toArray(FileDescriptor[]::new));
    // Without these the value holds the name of its type instead of the message indexes.
    var more =
        Map.of(
            "apicurio.registry.serde.send-type-ref", false,
            "apicurio.registry.serde.send-indexes", true);
    var serializer = configured(new ProtobufKafkaSerializer<DynamicMessage>(), more);
    return (topic, type, event) -> {
      String last = type.substring(type.lastIndexOf('.') + 1);
      var message = DynamicMessage.newBuilder(file.findMessageTypeByName(last));
      JsonFormat.parser().merge(event.toString(), message);
      return serializer.serialize(topic, new RecordHeaders(), message.build());
    };
  }

  private Writer json(String file) {
    var more = Map.of("apicurio.registry.artifact.schema.location", file);
    var serializer = configured(new JsonSchemaKafkaSerializer<JsonNode>(), more);
    return (topic, type, event) -> serializer.serialize(topic, new RecordHeaders(), event);
  }

  private <S extends Serializer<?>> S configured(S serializer, Map<String, ?> more) {
    Map<String, Object> config = new HashMap<>(more);
    config.put("apicurio.registry.url", registry);
    config.put("apicurio.registry.auto-register", true);
    config.put("apicurio.registry.headers.enabled", false);
    serializer.configure(config, false);
    return serializer;
  }
}
