import { InvalidArgumentError, type Option } from 'commander'
import type { Header } from '../records/port.ts'
import { RepeatableOption } from './repeats.ts'

/** `--header name=value`: a header of every record that a command writes; may be repeated. */
export function headerOption(): Option {
  return new RepeatableOption('--header <name=value>', 'header of every record; may be repeated')
    .argParser((text, before: readonly Header[]) => [...before, headerOf(text)])
    .default([], 'none')
}

function headerOf(text: string): Header {
  const end = text.indexOf('=')
  if (end < 1) throw new InvalidArgumentError('must be a name, an equals sign and a value')
  return { name: text.slice(0, end), value: Buffer.from(text.slice(end + 1)) }
}
