// Takes a slot and keeps it, to be killed: node --import tsx takes-slot.mjs GROUP PLATFORM
import { takeSlot } from '../../src/host/slot.ts'

const [group, platform] = process.argv.slice(2)
const { number } = await takeSlot(group, platform)
console.log(number)
setInterval(() => {}, 60_000)
