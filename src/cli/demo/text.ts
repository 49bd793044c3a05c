import type { EventOf } from '../../observe/observer.ts'
import { type Colors, count } from '../print.ts'
import type { Snapshot } from './figures.ts'
import type { Departure, FlightEvent, Landing } from './flights.ts'
import type { Verdict } from './verdicts.ts'

// The lines of the demo. Each fits into 80 columns.

const newYork = new Intl.DateTimeFormat('en-US', {
  timeZone: 'America/New_York',
  month: 'short',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
})

/** `Dec 05 12:41` */
export function newYorkTime(ms: number): string {
  return newYork.format(ms).replace(',', '')
}

/** `Dec 05 12:41  UA1545  EWR→IAH  left 12 min late     71 % to arrive late` */
export function departureLine(departure: Departure, chance: number, c: Colors): string {
  const said = c.bold(`${percent(chance).padStart(5)} to arrive late`)
  return `${flightColumns(departure, `left ${delay(departure.depDelayMin)}`, c)}${said}`
}

/** `Dec 05 15:02  UA1545  EWR→IAH  landed 34 min late  ✓ late (said 71 %)` */
export function landingLine(landing: Landing, { said, wasLate }: Verdict, c: Colors): string {
  const mark = said >= 0.5 === wasLate ? c.green('✓') : c.red('✗')
  const verdict = `${mark} ${wasLate ? 'late' : 'on time'} (said ${percent(said)})`
  return `${flightColumns(landing, `landed ${delay(landing.arrDelayMin)}`, c)}${verdict}`
}

function flightColumns(event: FlightEvent, what: string, c: Colors): string {
  const name = `${event.carrier}${event.flight}`.padEnd(6)
  const route = `${event.origin}→${event.dest}`
  return `${c.dim(newYorkTime(event.at))}  ${name}  ${route}  ${what.padEnd(20)} `
}

function delay(minutes: number): string {
  if (minutes === 0) return 'on time'
  return `${Math.abs(minutes)} min ${minutes < 0 ? 'early' : 'late'}`
}

/** `✗ dead letter  JSON_INVALID  the value is not JSON` */
export function deadLetterLine({ code, message, at }: EventOf<'dead-letter'>, c: Colors): string {
  return `${c.red('✗')} dead letter ${at}  ${c.bold(code)}\n  ${c.dim(message)}`
}

/**
 * `Dec 05 12:41  545/s  watermark −10m  lag 0 …`: as many parts as fit.
 *
 * @param nowMs the latest event time, ms since the epoch
 */
export function statusLine(snapshot: Snapshot, nowMs: number, columns: number): string {
  const { perSecond, watermarkMs, lag, batchMs, deadLetters, predictions } = snapshot
  const parts = [
    newYorkTime(nowMs),
    `${Math.round(perSecond)}/s`,
    `watermark ${behind(nowMs - watermarkMs)}`,
    `lag ${lag}`,
    `score p50 ${tenths(batchMs.p50)} p99 ${tenths(batchMs.p99)} ms`,
    `${deadLetters} dead`,
    `${count(predictions)} predictions`,
  ]
  let line = ''
  for (const part of parts) {
    const longer = line === '' ? part : `${line}  ${part}`
    if (longer.length > columns) break
    line = longer
  }
  return line
}

function behind(ms: number): string {
  if (!Number.isFinite(ms)) return '–'
  const minutes = ms / 60_000
  return minutes < 120 ? `−${Math.round(minutes)}m` : `−${tenths(minutes / 60)}h`
}

/** `71 %` */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** One decimal below 10, otherwise none; `–` if not finite. */
export function tenths(n: number): string {
  return Number.isFinite(n) ? n.toFixed(n < 10 ? 1 : 0) : '–'
}
