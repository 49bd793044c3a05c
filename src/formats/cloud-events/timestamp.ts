const FORM =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/**
 * A timestamp of RFC 3339 as ms since the epoch; what is finer is cut off. A leap second is the
 * first second of the next minute. `null`: it is none.
 */
export function timestampMs(text: string): number | null {
  const parts = FORM.exec(text)
  if (parts === null) return null
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as Numbers
  const [fraction = '', sign, ahead = '0', aheadMinutes = '0'] = parts.slice(7)
  const midnightMs = Date.UTC(year, month - 1, day)
  const date = new Date(midnightMs)
  // Other days and months than there are would be counted on; so would the years before 100.
  const isDate =
    date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  if (!isDate || hour > 23 || minute > 59 || second > 60) return null
  const [hours, minutes] = [Number(ahead), Number(aheadMinutes)]
  if (hours > 23 || minutes > 59) return null
  const offset = (hours * 60 + minutes) * (sign === '-' ? -1 : 1)
  const ms = Number(fraction.padEnd(3, '0').slice(0, 3))
  return midnightMs + ((hour * 60 + minute - offset) * 60 + second) * 1_000 + ms
}

type Numbers = [
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
]
