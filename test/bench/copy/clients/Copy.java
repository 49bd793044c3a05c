import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A copy with the Java client, configured as an expert would. Arguments and output: pass.ts. */
public class Copy {
  private static final OperatingSystemMXBean PROCESS =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  private final String brokers;
  private final boolean isExact;
  private final long intervalNanos;
  private final long records;
  private final String input;

  private Copy(String[] args) {
    brokers = args[0];
    isExact = args[1].equals("exactly-once");
    intervalNanos = Duration.ofMillis(Long.parseLong(args[2])).toNanos();
    records = Long.parseLong(args[3]);
    input = args[4];
  }

  public static void main(String[] args) {
    Copy copy = new Copy(args);
    for (String output : Arrays.asList(args).subList(5, args.length)) copy.pass(output);
  }

  private void pass(String output) {
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(output);
        KafkaProducer<byte[], byte[]> producer = producer(output)) {
      if (isExact) producer.initTransactions();
      consumer.subscribe(List.of(input));
      copyAll(consumer, producer, output);
    }
  }

  private void copyAll(
      KafkaConsumer<byte[], byte[]> consumer, KafkaProducer<byte[], byte[]> producer, String output) {
    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
    long copied = 0, commits = 0, startNanos = 0, startCpuNanos = 0, committedNanos = System.nanoTime();
    while (copied < records) {
      ConsumerRecords<byte[], byte[]> polled = consumer.poll(Duration.ofMillis(100));
      if (polled.isEmpty()) continue;
      if (copied == 0) {
        startNanos = System.nanoTime();
        startCpuNanos = PROCESS.getProcessCpuTime();
      }
      if (isExact && offsets.isEmpty()) producer.beginTransaction();
      for (TopicPartition partition : polled.partitions()) {
        List<ConsumerRecord<byte[], byte[]>> some = polled.records(partition);
        for (ConsumerRecord<byte[], byte[]> record : some) {
          producer.send(
              new ProducerRecord<>(
                  output, record.partition(), record.timestamp(), record.key(), record.value()));
        }
        copied += some.size();
        offsets.put(partition, new OffsetAndMetadata(some.get(some.size() - 1).offset() + 1));
      }
      if (copied < records && System.nanoTime() - committedNanos < intervalNanos) continue;
      committedNanos = System.nanoTime();
      commit(consumer, producer, offsets);
      offsets.clear();
      commits++;
    }
    long cpuMicros = (PROCESS.getProcessCpuTime() - startCpuNanos) / 1_000;
    long wallMs = (System.nanoTime() - startNanos) / 1_000_000;
    System.out.printf(
        "{\"records\":%d,\"cpuMicros\":%d,\"wallMs\":%d,\"commits\":%d}%n",
        copied, cpuMicros, wallMs, commits);
  }

  private void commit(
      KafkaConsumer<byte[], byte[]> consumer,
      KafkaProducer<byte[], byte[]> producer,
      Map<TopicPartition, OffsetAndMetadata> offsets) {
    if (isExact) {
      producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
      producer.commitTransaction();
    } else {
      producer.flush();
      consumer.commitSync(offsets);
    }
  }

  private KafkaConsumer<byte[], byte[]> consumer(String group) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", brokers);
    settings.put("group.id", group);
    settings.put("enable.auto.commit", "false");
    settings.put("auto.offset.reset", "earliest");
    settings.put("isolation.level", "read_committed");
    settings.put("max.poll.records", "5000");
    return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  private KafkaProducer<byte[], byte[]> producer(String transactionalId) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", brokers);
    settings.put("acks", "all");
    settings.put("batch.size", "150000");
    settings.put("linger.ms", "5");
    settings.put("buffer.memory", "67108864");
    if (isExact) settings.put("transactional.id", transactionalId);
    return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
  }
}
