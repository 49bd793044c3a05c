// Claims a slot and keeps it, to be killed: node --import tsx claims-slot.mjs GROUP PLATFORM
import { claimSlot } from '../../src/host/worker-name.ts'

const [group, platform] = process.argv.slice(2)
const { number } = await claimSlot(group, platform)
console.log(number)
setInterval(() => {}, 60_000)
