import { expect, inject } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import type { Definition } from '../../src/topology/definition.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import flightDelay from '../../topologies/flight-delay.ts'
import cardFraudRegistry from '../fixtures/topologies/card-fraud-registry.ts'
import flightDelayRegistry from '../fixtures/topologies/flight-delay-registry.ts'
import { withFeatures } from '../golden/with-features.ts'
import { outcomesOf } from '../integration/in-process.ts'
import {
  EVENTS,
  flightsIn,
  PARTITIONS,
  paymentsIn,
  recordsInJson,
} from '../integration/written-events.ts'
import { freshName, type KafkaService, plainOptions } from '../services/kafka.ts'
import { registryTests } from '../services/registry.ts'
import { writerIn } from '../services/serializers.ts'

// Topologies on events that serializers of other languages have written.

registryTests((registryTest) => {
  for (const language of ['java', 'python'] as const) {
    registryTest(
      `events of ${language} in Avro, Protobuf and JSON Schema, of two versions, give the outputs that JSON gives, bit for bit`,
      async (registry, kafka, skip) => {
        const write = writerIn(language, kafka, registry) ?? skip(inject('untested')[language])
        const topics = await topicsFor(kafka, [
          ...['avsc', 'proto', 'json', 'flightAvsc', 'flightProto'],
          ...['payments', 'flights'],
        ] as const)
        await write([
          ...paymentsIn('avsc', topics.avsc),
          ...paymentsIn('proto', topics.proto),
          ...paymentsIn('json', topics.json),
          ...flightsIn('avsc', topics.flightAvsc),
          ...flightsIn('proto', topics.flightProto),
        ])
        await send(kafka, [
          ...recordsInJson.payments(topics.payments),
          ...recordsInJson.flights(topics.flights),
        ])
        const runs = [
          { topology: cardFraud, topic: topics.payments },
          { topology: cardFraudRegistry, topic: topics.avsc },
          { topology: cardFraudRegistry, topic: topics.proto },
          { topology: cardFraudRegistry, topic: topics.json },
          { topology: flightDelay, topic: topics.flights },
          { topology: flightDelayRegistry, topic: topics.flightAvsc },
          { topology: flightDelayRegistry, topic: topics.flightProto },
        ].map(({ topology, topic }) => ({ topology: withFeatures<Definition>(topology), topic }))
        const outcomes = await outcomesOf({ kafka, registry }, runs, EVENTS)
        const [cards, avro, protobuf, json] = outcomes
        const [flights, flightAvro, flightProtobuf] = outcomes.slice(4)
        expect(cards?.outputs.length).toBeGreaterThan(EVENTS / 2)
        expect(cards?.deadLetters.every(({ code }) => code === 'LATE')).toBe(true)
        for (const each of [avro, protobuf, json]) expect(each).toEqual(cards)
        expect(flights?.outputs.length).toBeGreaterThan(EVENTS / 3)
        for (const each of [flightAvro, flightProtobuf]) expect(each).toEqual(flights)
      },
    )
  }
})

/** Topics with names of their own. The events are old: a broker would delete them at once. */
async function topicsFor<N extends string>(
  kafka: KafkaService,
  names: readonly N[],
): Promise<Readonly<Record<N, string>>> {
  const topics = names.map((name) => [name, freshName(name)] as const)
  const records = new KafkaRecords(plainOptions(kafka))
  const config = { 'retention.ms': '-1' }
  await records.create(topics.map(([, name]) => ({ name, partitions: PARTITIONS, config })))
  await records.close()
  return Object.fromEntries(topics) as Record<N, string>
}

async function send(kafka: KafkaService, values: readonly NewRecord[]): Promise<void> {
  const records = new KafkaRecords(plainOptions(kafka))
  const writer = records.writer()
  await writer.write(values)
  await writer.close()
  await records.close()
}
