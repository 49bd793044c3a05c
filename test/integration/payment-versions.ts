import { readFileSync } from 'node:fs'
import avro, { type Schema, type Type } from 'avsc'
import { partitionOf } from '../../src/connect/memory/log.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { Payment } from '../../topologies/payment.ts'
import { wireValue } from '../formats/registry/hand-registry.ts'
import type { RegistryService } from '../services/registry.ts'

/** Partitions of the payments' topic. */
export const PARTITIONS = 6

const SCHEMAS = new URL('../services/serializers/schemas/', import.meta.url)

/** A version of the payments' schema that is registered. */
interface Version {
  readonly id: number
  readonly type: Type
}

/** Payments in Avro, in one version of their schema, and later in two. */
export class PaymentVersions {
  readonly #registry: RegistryService
  readonly #subject: string
  readonly #first: Version
  /** That of the partitions with odd numbers. */
  #second: Version

  private constructor(registry: RegistryService, subject: string, first: Version) {
    this.#registry = registry
    this.#subject = subject
    this.#first = first
    this.#second = first
  }

  /** With the first version only. */
  static async in(registry: RegistryService, topic: string): Promise<PaymentVersions> {
    const subject = `${topic}-value`
    return new PaymentVersions(registry, subject, await registered(registry, subject, 1))
  }

  /** Registers the second version. Returns a function that begins to use it. */
  async registerSecond(): Promise<() => void> {
    const second = await registered(this.#registry, this.#subject, 2)
    return () => {
      this.#second = second
    }
  }

  /** Makes a payment of one in JSON. One that is malformed stays so: nothing follows the id. */
  readonly encode = (record: NewRecord): NewRecord => {
    const isOdd = partitionOf(record, PARTITIONS) % 2 === 1
    const { id, type } = isOdd ? this.#second : this.#first
    const payment = paymentIn(String(record.value))
    const payload = payment === null ? Buffer.alloc(0) : type.toBuffer(payment)
    return { ...record, value: wireValue(id, payload) }
  }
}

async function registered(
  registry: RegistryService,
  subject: string,
  version: 1 | 2,
): Promise<Version> {
  const schema = readFileSync(new URL(`payment-${version}.avsc`, SCHEMAS), 'utf8')
  const type = avro.Type.forSchema(JSON.parse(schema) as Schema)
  return { id: await registry.register(subject, { schema }), type }
}

function paymentIn(json: string): unknown {
  try {
    return Payment.safeParse(JSON.parse(json)).data ?? null
  } catch {
    return null
  }
}
