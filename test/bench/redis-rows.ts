import { createClient } from 'redis'

// Writes the rows that w1-store and its kin look up: 100,000 cards and 1,000 merchants.
//   npx tsx test/bench/redis-rows.ts redis://127.0.0.1:6379

const [url = ''] = process.argv.slice(2)
const client = createClient({ url })
await client.connect()
for (const [letter, count, digits] of [['c', 100_000, 6] as const, ['m', 1_000, 4] as const]) {
  const rows = Array.from({ length: count }, (_, i): [string, string] => [
    `row:${letter}-${String(i).padStart(digits, '0')}`,
    JSON.stringify({ spend30d: i * 1.5, count7d: i % 50 }),
  ])
  await client.mSet(rows)
}
console.log(`${await client.dbSize()} rows`)
client.destroy()
