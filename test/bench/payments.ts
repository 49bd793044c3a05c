import { pathToFileURL } from 'node:url'

// A stream of synthetic card payments, the same for the same seed. Also a command:
//   npx tsx test/bench/payments.ts COUNT [SEED] > payments.tsv

const CATEGORIES = 'grocery fuel travel food fashion home games health sport books music gifts'
const COUNTRIES = 'DE FR GB US NL ES IT PL SE NO CH AT BE DK FI PT IE CZ GR HU'
const START_MS = Date.UTC(2026, 0, 1)
const CARDS = 100_000
const MERCHANTS = 1_000
const MEAN_GAP_MS = 100

/**
 * `count` lines of `key<TAB>json` without line ends, ten a second of event time. About 5 % are out
 * of order by up to 20 s, 1 in 1,000 by 2 to 10 min, and 1 in 2,000 is malformed: truncated, with a
 * string as amount, or without a merchant.
 *
 * @param seed an integer from 0; an even one produces the stream of the next
 */
export function* paymentLines(count: number, seed: number): Generator<string> {
  const random = mulberry32(seed | 1)
  const categories = CATEGORIES.split(' ')
  const countries = COUNTRIES.split(' ')
  const pick = (from: readonly string[]) => from[Math.floor(from.length * random())]
  let clockMs = START_MS
  // The order of the random draws defines the stream: moving one changes every line.
  for (let n = 0; n < count; n++) {
    clockMs += -Math.log(1 - random()) * MEAN_GAP_MS
    const card = Math.floor(CARDS * random() ** 2.2)
    const paidAt = Math.round(clockMs) - delayMs(random)
    const amount = Math.round(Math.exp(2.5 + 1.2 * bell(random) * 2) * 100) / 100
    const payment = {
      paymentId: `p-${digits(n, 9)}`,
      cardId: `c-${digits(card, 6)}`,
      merchantId: `m-${digits(Math.floor(MERCHANTS * random() ** 1.5), 4)}`,
      category: pick(categories),
      country: random() < 0.93 ? countries[card % countries.length] : pick(countries),
      amount,
      paidAt,
    }
    yield `${payment.cardId}\t${perhapsSpoilt(payment, random())}`
  }
}

interface Spoilable {
  readonly merchantId: string
  readonly amount: number
}

function perhapsSpoilt(payment: Spoilable, draw: number): string {
  const json = JSON.stringify(payment)
  if (draw < 0.0002) return json.slice(0, 60)
  if (draw < 0.00035) {
    const { amount } = payment
    return json.replace(`"amount":${amount}`, `"amount":"${String(amount).replace('.', ',')}"`)
  }
  if (draw < 0.0005) return json.replace(`"merchantId":"${payment.merchantId}",`, '')
  return json
}

function delayMs(random: () => number): number {
  const draw = random()
  if (draw < 0.05) return Math.round(random() * 20_000)
  if (draw < 0.051) return 120_000 + Math.round(random() * 480_000)
  return 0
}

/** A bell-shaped random number around 0, within ±1.5. */
function bell(random: () => number): number {
  return random() + random() + random() - 1.5
}

function digits(n: number, length: number): string {
  return String(n).padStart(length, '0')
}

/** Numbers in [0, 1). Mulberry32 by Tommy Ettinger, 2017, public domain. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function main(count: number, seed: number): void {
  let block: string[] = []
  const flush = () => {
    if (block.length > 0) process.stdout.write(`${block.join('\n')}\n`)
    block = []
  }
  for (const line of paymentLines(count, seed)) {
    block.push(line)
    if (block.length === 10_000) flush()
  }
  flush()
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 1))
}
