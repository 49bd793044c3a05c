import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Checks what topologies/card-fraud.ts has written to Kafka, by the raw logs alone. It shares no code with what it checks: it uses
 * another language and Kafka's own client, and implements the rules again.
 *
 * <pre>
 * java -cp "$(test/services/broker.sh jars)/*" test/soak/Check.java watch RUN.json > notes.ndjson
 *     while workers run: repeatedly notes the committed offsets, and then where the outputs end, until stdin ends
 * java -cp "$(test/services/broker.sh jars)/*" test/soak/Check.java check RUN.json...
 *     afterwards: a verdict for each run, as a line of JSON on stdout and as text on stderr; exits with 1 when one has a fault
 * </pre>
 *
 * Every input must have one outcome: a dead letter if its value does not fit the schema, or if its time is behind the
 * watermark of its partition; otherwise a prediction.
 */
public final class Check {
    static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    /** Reading fails after this time without a record. */
    static final Duration SILENCE = Duration.ofSeconds(60);
    static final Duration LOOK_EVERY = Duration.ofMillis(150);
    /**
     * Kafka writes the end of a transaction to one partition after the other, so its committed offset can be read a moment before
     * the last of its records. With Kafka's own client that was seen in 2 of 6,000 reads without this pause.
     */
    static final Duration TELLING = Duration.ofMillis(100);

    /** Within this time a partition has a leader again, and every transaction on it has its end marker. */
    static final Duration MARKED_WITHIN = Duration.ofSeconds(30);

    /**
     * What is checked.
     *
     * @param fed how many records the input must have
     * @param mayRepeat outputs were written under at-least-once: a repeated outcome must be the same, and is no fault
     * @param notes the output of {@code watch}; null: committed offsets are not checked against it
     */
    record Run(String brokers, String group, String input, String predictions, String deadLetters, long fed,
            boolean mayRepeat, String notes) {
        static Run of(String file) throws IOException {
            return JSON.readValue(Path.of(file).toFile(), Run.class);
        }

        List<String> outputs() {
            return List.of(predictions, deadLetters);
        }
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "error");
        boolean isWatch = args.length == 2 && args[0].equals("watch");
        if (!isWatch && (args.length < 2 || !args[0].equals("check"))) {
            System.err.println("Check.java watch RUN.json | check RUN.json...");
            System.exit(2);
        }
        if (isWatch) {
            watch(Run.of(args[1]));
            return;
        }
        boolean allGood = true;
        for (String file : Arrays.asList(args).subList(1, args.length)) {
            Run run = Run.of(file);
            Verdict verdict = judge(run);
            System.out.println(JSON.writeValueAsString(verdict.json(run)));
            System.err.print(verdict.text(run));
            allGood &= verdict.isGood();
        }
        System.exit(allGood ? 0 : 1);
    }

    // ---- while the workers run

    static void watch(Run run) throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        Thread stdin = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (IOException gone) {
                // treated as the end of stdin
            }
            ended.countDown();
        });
        stdin.setDaemon(true);
        stdin.start();
        try (Cluster cluster = new Cluster(run.brokers())) {
            List<TopicPartition> inputs = cluster.partitionsOf(run.input());
            List<TopicPartition> outputs = run.outputs().stream().flatMap(t -> cluster.partitionsOf(t).stream()).toList();
            do {
                try {
                    System.out.println(JSON.writeValueAsString(note(cluster, run, inputs, outputs)));
                } catch (ExecutionException | TimeoutException e) {
                    System.err.println("no note: " + e);
                }
            } while (!ended.await(LOOK_EVERY.toMillis(), TimeUnit.MILLISECONDS));
        }
    }

    /**
     * The committed offsets; then where the outputs end, and a moment later, where they end under read_committed. A partition
     * without a leader gets the end marker of a transaction once it has a new one, so this waits for it.
     */
    static ObjectNode note(Cluster cluster, Run run, List<TopicPartition> inputs, List<TopicPartition> outputs)
            throws Exception {
        long atMs = System.currentTimeMillis();
        Map<TopicPartition, OffsetAndMetadata> stable = cluster.stableOffsets(run.group(), inputs);
        Map<TopicPartition, Long> written = cluster.ends(outputs, IsolationLevel.READ_UNCOMMITTED);
        Map<TopicPartition, Long> readable;
        do {
            Thread.sleep(TELLING.toMillis());
            readable = cluster.ends(outputs, IsolationLevel.READ_COMMITTED);
        } while (isBelow(readable, written) && System.currentTimeMillis() - atMs < MARKED_WITHIN.toMillis());
        ObjectNode note = JSON.createObjectNode().put("atMs", atMs);
        ObjectNode committed = note.putObject("committed");
        for (TopicPartition partition : inputs) {
            OffsetAndMetadata offset = stable.get(partition);
            if (offset != null) committed.put(String.valueOf(partition.partition()), offset.offset());
        }
        note.put("unstable", inputs.size() - stable.size());
        for (var ends : Map.of("written", written, "readable", readable).entrySet()) {
            ObjectNode places = note.putObject(ends.getKey());
            for (TopicPartition partition : outputs) places.put(partition.toString(), ends.getValue().get(partition));
        }
        return note;
    }

    static boolean isBelow(Map<TopicPartition, Long> some, Map<TopicPartition, Long> others) {
        return some.entrySet().stream().anyMatch(end -> end.getValue() < others.get(end.getKey()));
    }

    // ---- afterwards

    static Verdict judge(Run run) throws Exception {
        Verdict verdict = new Verdict();
        try (Cluster cluster = new Cluster(run.brokers())) {
            Map<Integer, Source> sources = readInput(cluster, run, verdict);
            Slots slots = new Slots(cluster, run);
            readOutcomes(cluster, run, new Readers(sources, slots), verdict);
            for (Source source : sources.values()) source.reportLost(verdict);
            compareUncommitted(cluster, run, sources, verdict);
            if (run.notes() != null) compareNotes(run, new Readers(sources, slots), verdict);
            inspectEnd(cluster, run, slots, verdict);
        }
        return verdict;
    }

    static Map<Integer, Source> readInput(Cluster cluster, Run run, Verdict verdict) {
        Map<Integer, Source> sources = new TreeMap<>();
        List<TopicPartition> partitions = cluster.partitionsOf(run.input());
        for (TopicPartition partition : partitions) sources.put(partition.partition(), new Source(partition));
        cluster.read(partitions, IsolationLevel.READ_COMMITTED, record -> {
            verdict.count("inputs");
            sources.get(record.partition()).take(record);
        });
        if (verdict.counted("inputs") != run.fed())
            verdict.fault("misfed", "%d records were fed, but the input has %d".formatted(run.fed(), verdict.counted("inputs")));
        return sources;
    }

    record Readers(Map<Integer, Source> sources, Slots slots) {}

    static void readOutcomes(Cluster cluster, Run run, Readers to, Verdict verdict) {
        Map<Integer, long[]> newest = new TreeMap<>();
        for (int partition : to.sources().keySet()) {
            long[] none = new long[to.slots().size()];
            Arrays.fill(none, -1);
            newest.put(partition, none);
        }
        cluster.read(to.slots().all(), IsolationLevel.READ_COMMITTED, record -> {
            boolean isPrediction = record.topic().equals(run.predictions());
            verdict.count(isPrediction ? "predictions" : "deadLetters");
            Place place = isPrediction ? Place.ofPrediction(record, run) : Place.ofDeadLetter(record, run);
            Source source = place == null ? null : to.sources().get(place.partition());
            if (source == null || place.offset() < 0 || place.offset() >= source.size) {
                verdict.fault("unknown", "%s names no input".formatted(nameOf(record)));
                return;
            }
            int slot = to.slots().of(record);
            int i = (int) place.offset();
            if (source.slot[i] >= 0) {
                verdict.count("repeated");
                if (!run.mayRepeat()) verdict.fault("repeated", "%s repeats %s".formatted(nameOf(record),
                        to.slots().name(source.slot[i], source.at[i])) + ": " + source.name(i));
                return;
            }
            source.settle(i, slot, record);
            source.compare(i, record, isPrediction, verdict);
            long[] before = newest.get(place.partition());
            if (before[slot] > i) verdict.fault("disordered",
                    "%s of %s comes after that of offset %d".formatted(nameOf(record), source.name(i), before[slot]));
            before[slot] = Math.max(before[slot], i);
        });
    }

    /** Reads what aborted transactions have written too: an outcome there must be the same as the committed one. */
    static void compareUncommitted(Cluster cluster, Run run, Map<Integer, Source> sources, Verdict verdict) {
        List<TopicPartition> partitions = run.outputs().stream().flatMap(t -> cluster.partitionsOf(t).stream()).toList();
        cluster.read(partitions, IsolationLevel.READ_UNCOMMITTED, record -> {
            verdict.count("uncommittedView");
            boolean isPrediction = record.topic().equals(run.predictions());
            Place place = isPrediction ? Place.ofPrediction(record, run) : Place.ofDeadLetter(record, run);
            Source source = place == null ? null : sources.get(place.partition());
            if (source == null || place.offset() < 0 || place.offset() >= source.size) return;
            int i = (int) place.offset();
            if (source.slot[i] >= 0 && source.value[i] != hash(record.value()))
                verdict.fault("different", "%s differs from the outcome of %s elsewhere".formatted(nameOf(record), source.name(i)));
        });
    }

    /** The committed offset of a partition of the input, and where each partition of the outputs ended after it was read. */
    record Note(long atMs, long committed, Map<String, long[]> ends) {}

    /** An offset may only be committed after all outcomes of the inputs below it are written and readable. */
    static void compareNotes(Run run, Readers to, Verdict verdict) throws IOException {
        Map<Integer, List<Note>> bySource = new TreeMap<>();
        for (int partition : to.sources().keySet()) bySource.put(partition, new ArrayList<>());
        try (var lines = Files.lines(Path.of(run.notes()))) {
            for (String line : (Iterable<String>) lines::iterator) {
                JsonNode note = JSON.readTree(line);
                verdict.count("notes");
                verdict.count("unstableInNotes", note.get("unstable").asLong());
                Map<String, long[]> ends = new TreeMap<>();
                for (String which : List.of("written", "readable"))
                    ends.put(which, to.slots().all().stream().mapToLong(p -> note.get(which).get(p.toString()).asLong()).toArray());
                note.get("committed").properties().forEach(field -> bySource.get(Integer.parseInt(field.getKey()))
                        .add(new Note(note.get("atMs").asLong(), field.getValue().asLong(), ends)));
            }
        }
        bySource.forEach((partition, notes) -> compareNotes(to.sources().get(partition), notes, to.slots(), verdict));
    }

    static void compareNotes(Source source, List<Note> notes, Slots slots, Verdict verdict) {
        if (notes.isEmpty() && source.size > 0)
            verdict.fault("unwatched", "no note of what was committed for " + source.partition);
        notes.sort(Comparator.comparingLong(Note::committed));
        // By partition of the outputs: the committed input whose outcome is the last one there.
        int[] last = new int[slots.size()];
        Arrays.fill(last, -1);
        int next = 0;
        for (Note note : notes) {
            for (; next < Math.min(note.committed(), source.size); next++) {
                int slot = source.slot[next];
                if (slot >= 0 && (last[slot] < 0 || source.at[last[slot]] < source.at[next])) last[slot] = next;
            }
            for (int slot = 0; slot < last.length; slot++) {
                if (last[slot] < 0) continue;
                long at = source.at[last[slot]];
                for (var ends : note.ends().entrySet()) {
                    long end = ends.getValue()[slot];
                    if (at >= end) verdict.fault("ahead", "%d: %s was committed up to %d, and the outcome of %d is %s; what was %s ended at %d"
                            .formatted(note.atMs(), source.partition, note.committed(), last[slot], slots.name(slot, at), ends.getKey(), end));
                }
            }
        }
    }

    static void inspectEnd(Cluster cluster, Run run, Slots slots, Verdict verdict) throws Exception {
        List<TopicPartition> inputs = cluster.partitionsOf(run.input());
        Map<TopicPartition, OffsetAndMetadata> stable = cluster.stableOffsets(run.group(), inputs);
        Map<TopicPartition, Long> inputEnds = cluster.ends(inputs, IsolationLevel.READ_UNCOMMITTED);
        for (TopicPartition partition : inputs) {
            long end = inputEnds.get(partition);
            OffsetAndMetadata offset = stable.get(partition);
            if (!stable.containsKey(partition)) {
                verdict.fault("unstable", "the committed offset of %s is not stable".formatted(partition));
            } else if (end > 0 && (offset == null || offset.offset() != end)) {
                String committed = offset == null ? "nothing" : String.valueOf(offset.offset());
                verdict.fault("unfinished", "%s ends at %d, and %s is committed".formatted(partition, end, committed));
            }
        }
        Map<TopicPartition, Long> visible = cluster.ends(slots.all(), IsolationLevel.READ_COMMITTED);
        Map<TopicPartition, Long> written = cluster.ends(slots.all(), IsolationLevel.READ_UNCOMMITTED);
        written.forEach((partition, end) -> {
            if (!end.equals(visible.get(partition))) verdict.fault("open",
                    "%s ends at %d, and a transaction holds its readers at %d".formatted(partition, end, visible.get(partition)));
        });
        cluster.openTransactions(run, slots.all()).forEach((id, of) -> verdict.fault("open",
                "transaction \"%s\" is %s, with %s".formatted(id, of.state(), of.topicPartitions())));
    }

    // ---- the rules of the topology

    /** One partition of the input: the expected and the actual outcome of each record. */
    static final class Source {
        static final long LAG_MS = 30_000;
        static final List<String> TEXTS = List.of("paymentId", "cardId", "merchantId", "category", "country");

        final TopicPartition partition;
        int size = 0;
        /** By offset: whether a prediction is expected, or a dead letter. */
        boolean[] isScored = new boolean[1024];
        /** A hash of the fields that the outcome must have in common with its input. */
        long[] due = new long[1024];
        /** Where the outcome is: -1 for none, otherwise a partition of the outputs and the offset there. */
        byte[] slot = new byte[1024];
        long[] at = new long[1024];
        /** A hash of the outcome's value. */
        long[] value = new long[1024];
        private long newestMs = Long.MIN_VALUE;

        Source(TopicPartition partition) {
            this.partition = partition;
        }

        void take(ConsumerRecord<byte[], byte[]> record) {
            if (record.offset() != size) throw new IllegalStateException(nameOf(record) + " is not the next of " + size);
            if (size == due.length) grow();
            JsonNode payment = paymentOf(record.value());
            boolean isLate = payment != null && newestMs != Long.MIN_VALUE && payment.get("paidAt").asLong() < newestMs - LAG_MS;
            isScored[size] = payment != null && !isLate;
            due[size] = isScored[size] ? markOf(record.key(), payment) : letterMark(record);
            slot[size++] = -1;
            if (payment != null) newestMs = Math.max(newestMs, payment.get("paidAt").asLong());
        }

        private void grow() {
            int length = 2 * size;
            isScored = Arrays.copyOf(isScored, length);
            due = Arrays.copyOf(due, length);
            slot = Arrays.copyOf(slot, length);
            at = Arrays.copyOf(at, length);
            value = Arrays.copyOf(value, length);
        }

        void settle(int i, int in, ConsumerRecord<byte[], byte[]> outcome) {
            slot[i] = (byte) in;
            at[i] = outcome.offset();
            value[i] = hash(outcome.value());
        }

        void compare(int i, ConsumerRecord<byte[], byte[]> outcome, boolean isPrediction, Verdict verdict) {
            if (isPrediction != isScored[i]) {
                verdict.fault("misjudged", "%s is a %s: %s".formatted(name(i), isPrediction ? "prediction" : "dead letter",
                        nameOf(outcome)));
                return;
            }
            JsonNode told = isPrediction ? parsed(outcome.value()) : null;
            long mark = !isPrediction ? letterMark(outcome) : told == null ? 0 : markOf(outcome.key(), told);
            if (mark != due[i]) verdict.fault("mismatched", "%s is not about %s".formatted(nameOf(outcome), name(i)));
        }

        void reportLost(Verdict verdict) {
            for (int i = 0; i < size; i++) if (slot[i] < 0) verdict.fault("lost", "no outcome of " + name(i));
        }

        String name(int i) {
            return partition + "@" + i;
        }

        /** The payment, or null when the value does not fit the schema. */
        static JsonNode paymentOf(byte[] value) {
            JsonNode payment = parsed(value);
            if (payment == null || !payment.isObject()) return null;
            if (!TEXTS.stream().allMatch(name -> payment.path(name).isTextual())) return null;
            return payment.path("amount").isNumber() && payment.path("paidAt").isIntegralNumber() ? payment : null;
        }

        /** A hash of what an input and its prediction have in common. */
        static long markOf(byte[] key, JsonNode payment) {
            String told = payment.path("paymentId").asText() + " " + payment.path("cardId").asText() + " "
                    + payment.path("paidAt").asText();
            return 31 * hash(key) + hash(told.getBytes(StandardCharsets.UTF_8));
        }

        static long letterMark(ConsumerRecord<byte[], byte[]> record) {
            return 31 * hash(record.key()) + hash(record.value());
        }
    }

    /** The input that an outcome names. */
    record Place(int partition, long offset) {
        static final String SINK = "predictions";
        static final String ERRORS = "__streams.errors.";

        /** By its id, TOPIC/PARTITION/OFFSET/SINK; null when it names none of this input. */
        static Place ofPrediction(ConsumerRecord<byte[], byte[]> record, Run run) {
            String id = header(record, "tidemark-id");
            String[] parts = id == null ? new String[0] : id.split("/", -1);
            if (parts.length != 4 || !parts[0].equals(run.input()) || !parts[3].equals(SINK)) return null;
            return of(parts[1], parts[2]);
        }

        /** A dead letter names its origin in its headers. */
        static Place ofDeadLetter(ConsumerRecord<byte[], byte[]> record, Run run) {
            if (!run.input().equals(header(record, ERRORS + "topic"))) return null;
            return of(header(record, ERRORS + "partition"), header(record, ERRORS + "offset"));
        }

        private static Place of(String partition, String offset) {
            try {
                return new Place(Integer.parseInt(partition), Long.parseLong(offset));
            } catch (NumberFormatException e) {
                return null;
            }
        }

        /** The header's text; null when it is missing or present more than once. */
        private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
            String found = null;
            for (Header header : record.headers().headers(name)) {
                if (found != null) return null;
                found = new String(header.value(), StandardCharsets.UTF_8);
            }
            return found;
        }
    }

    /** The partitions of the outputs, numbered. */
    static final class Slots {
        private final List<TopicPartition> all;
        private final Map<TopicPartition, Integer> numbers;

        Slots(Cluster cluster, Run run) {
            all = run.outputs().stream().flatMap(topic -> cluster.partitionsOf(topic).stream()).toList();
            numbers = IntStream.range(0, all.size()).boxed().collect(Collectors.toMap(all::get, Function.identity()));
            if (all.size() > Byte.MAX_VALUE) throw new IllegalArgumentException("too many partitions");
        }

        List<TopicPartition> all() {
            return all;
        }

        int size() {
            return all.size();
        }

        int of(ConsumerRecord<byte[], byte[]> record) {
            return numbers.get(new TopicPartition(record.topic(), record.partition()));
        }

        String name(int slot, long offset) {
            return all.get(slot) + "@" + offset;
        }
    }

    static JsonNode parsed(byte[] value) {
        try {
            return value == null ? null : JSON.readTree(value);
        } catch (JsonProcessingException e) {
            return null;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static String nameOf(ConsumerRecord<byte[], byte[]> record) {
        return record.topic() + "-" + record.partition() + "@" + record.offset();
    }

    /** FNV-1a, 64 bits; 0 for null. */
    static long hash(byte[] bytes) {
        if (bytes == null) return 0;
        long hash = 0xcbf29ce484222325L;
        for (byte b : bytes) hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
        return hash;
    }

    // ---- what was found

    static final class Verdict {
        static final int EXAMPLES = 5;
        static final Map<String, String> MEANING = Map.ofEntries(
                Map.entry("misfed", "the input is not what was fed"),
                Map.entry("lost", "inputs without an outcome"),
                Map.entry("repeated", "outcomes that are repeated under read_committed"),
                Map.entry("unknown", "outcomes that name no input"),
                Map.entry("mismatched", "outcomes with the fields of another payment"),
                Map.entry("misjudged", "dead letters where a prediction is expected, or predictions where a dead letter is"),
                Map.entry("disordered", "outcomes in another order than their inputs"),
                Map.entry("different", "outcomes of one input that differ"),
                Map.entry("ahead", "offsets that were committed before their outcomes were written or readable"),
                Map.entry("unwatched", "partitions without a note of their offsets"),
                Map.entry("unfinished", "partitions that are not committed to their end"),
                Map.entry("unstable", "partitions whose offset depends on an open transaction"),
                Map.entry("open", "open transactions, and partitions that one blocks"));

        private final Map<String, Long> counts = new TreeMap<>();
        private final Map<String, Long> faults = new TreeMap<>();
        private final Map<String, List<String>> examples = new TreeMap<>();

        void count(String what) {
            count(what, 1);
        }

        void count(String what, long by) {
            counts.merge(what, by, Long::sum);
        }

        long counted(String what) {
            return counts.getOrDefault(what, 0L);
        }

        void fault(String what, String example) {
            faults.merge(what, 1L, Long::sum);
            List<String> kept = examples.computeIfAbsent(what, w -> new ArrayList<>());
            if (kept.size() < EXAMPLES) kept.add(example);
        }

        boolean isGood() {
            return faults.isEmpty();
        }

        private long aborted() {
            return counted("uncommittedView") - counted("predictions") - counted("deadLetters");
        }

        ObjectNode json(Run run) {
            ObjectNode json = JSON.createObjectNode().put("group", run.group()).put("ok", isGood());
            for (String what : List.of("inputs", "predictions", "deadLetters", "repeated")) json.put(what, counted(what));
            json.put("aborted", aborted());
            json.put("notes", counted("notes")).put("unstableInNotes", counted("unstableInNotes"));
            ObjectNode all = json.putObject("faults");
            faults.forEach((what, count) -> {
                ObjectNode fault = all.putObject(what).put("count", count);
                examples.get(what).forEach(fault.putArray("examples")::add);
            });
            return json;
        }

        private static String format(String text, Object... values) {
            return String.format(Locale.ROOT, text, values);
        }

        String text(Run run) {
            StringBuilder text = new StringBuilder(format("%s: %s%n", run.group(), isGood() ? "no fault" : "FAULTS"));
            text.append(format("  %,d inputs: %,d predictions and %,d dead letters, %,d of them repeated; %,d aborted; %,d notes%n",
                    counted("inputs"), counted("predictions"), counted("deadLetters"), counted("repeated"), aborted(), counted("notes")));
            faults.forEach((what, count) -> {
                text.append(format("  %s: %,d (%s)%n", what, count, MEANING.get(what)));
                for (String example : examples.get(what)) text.append(format("    %s%n", example));
            });
            return text.toString();
        }
    }

    // ---- Kafka

    static final class Cluster implements AutoCloseable {
        static final int ASK_MS = 2_000;
        /** Includes the PREPARE states: decided, but not yet written to every partition. */
        static final Set<TransactionState> OPEN = Set.of(TransactionState.ONGOING, TransactionState.PREPARE_COMMIT,
                TransactionState.PREPARE_ABORT, TransactionState.PREPARE_EPOCH_FENCE);

        private final String brokers;
        private final Admin admin;

        Cluster(String brokers) {
            this.brokers = brokers;
            admin = Admin.create(Map.of("bootstrap.servers", brokers));
        }

        List<TopicPartition> partitionsOf(String topic) {
            try {
                return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().stream()
                        .map(partition -> new TopicPartition(topic, partition.partition())).toList();
            } catch (ExecutionException | InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }

        /** The committed offsets of partitions without an open transaction on them; null: none is committed. */
        Map<TopicPartition, OffsetAndMetadata> stableOffsets(String group, List<TopicPartition> partitions) throws Exception {
            var asked = Map.of(group, new ListConsumerGroupOffsetsSpec().topicPartitions(partitions));
            var options = new ListConsumerGroupOffsetsOptions().requireStable(true).timeoutMs(ASK_MS);
            return admin.listConsumerGroupOffsets(asked, options).partitionsToOffsetAndMetadata(group)
                    .get(2 * ASK_MS, TimeUnit.MILLISECONDS);
        }

        Map<TopicPartition, Long> ends(List<TopicPartition> partitions, IsolationLevel isolation) throws Exception {
            var options = new ListOffsetsOptions(isolation);
            options.timeoutMs(ASK_MS);
            var latest = partitions.stream().collect(Collectors.toMap(Function.identity(), p -> OffsetSpec.latest()));
            return admin.listOffsets(latest, options).all().get(2 * ASK_MS, TimeUnit.MILLISECONDS).entrySet().stream()
                    .collect(Collectors.toMap(Map.Entry::getKey, end -> end.getValue().offset()));
        }

        /** Open transactions on the outputs, or on committed offsets, which all groups share, if their id names the group. */
        Map<String, TransactionDescription> openTransactions(Run run, List<TopicPartition> outputs) throws Exception {
            Set<String> ids = new TreeSet<>();
            admin.listTransactions(new ListTransactionsOptions().filterStates(OPEN)).all().get()
                    .forEach(transaction -> ids.add(transaction.transactionalId()));
            Map<String, TransactionDescription> open = new TreeMap<>(admin.describeTransactions(ids).all().get());
            open.values().removeIf(of -> !OPEN.contains(of.state()));
            open.entrySet().removeIf(of -> of.getValue().topicPartitions().stream().noneMatch(
                    p -> outputs.contains(p) || p.topic().equals("__consumer_offsets") && of.getKey().contains(run.group())));
            return open;
        }

        /** Calls back with all current records of the partitions, in the order of each partition. */
        void read(List<TopicPartition> partitions, IsolationLevel isolation, Consumer<ConsumerRecord<byte[], byte[]>> each) {
            Properties settings = new Properties();
            settings.put("bootstrap.servers", brokers);
            settings.put("isolation.level", isolation.toString());
            settings.put("allow.auto.create.topics", "false");
            settings.put("auto.offset.reset", "none");
            settings.put("max.poll.records", "5000");
            settings.put("fetch.max.wait.ms", "20");
            try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                consumer.assign(partitions);
                consumer.seekToBeginning(partitions);
                Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
                long movedAt = System.nanoTime();
                while (!ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue())) {
                    long before = partitions.stream().mapToLong(consumer::position).sum();
                    consumer.poll(Duration.ofMillis(200)).forEach(each);
                    if (partitions.stream().mapToLong(consumer::position).sum() > before) movedAt = System.nanoTime();
                    else if (System.nanoTime() - movedAt > SILENCE.toNanos()) throw new IllegalStateException("nothing to read for " + SILENCE);
                }
            }
        }

        @Override
        public void close() {
            admin.close(Duration.ofSeconds(5));
        }
    }
}
