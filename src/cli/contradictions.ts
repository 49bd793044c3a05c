import type { TidemarkError } from '../kernel/errors.ts'
import { isWorkerName } from '../runtime/config.ts'
import { numberedName } from './arguments.ts'
import { loginContradictions } from './login-contradictions.ts'
import { settingFault } from './setting-fault.ts'
import { flagOf, type SettingName, type Values } from './settings.ts'

/**
 * Faults of settings that are each valid but contradict each other. One that did not parse has no
 * value, and is not checked.
 */
export function contradictions(values: Values): TidemarkError[] {
  return [...loginContradictions(values), ...tlsFaults(values), ...nameFaults(values)]
}

function tlsFaults({ tls, tlsCa, tlsCert, tlsKey }: Values): TidemarkError[] {
  const faults: TidemarkError[] = []
  for (const [name, file] of Object.entries({ tlsCa, tlsCert, tlsKey })) {
    if (!file || tls !== false) continue
    const what = 'a certificate or key is set but TLS is off'
    faults.push(settingFault(what, flagOf(name as SettingName), 'add --tls'))
  }
  if ((tlsCert && tlsKey === null) || (tlsKey && tlsCert === null)) {
    const what = 'set both a client certificate and its private key, or neither'
    faults.push(settingFault(what, `${flagOf('tlsCert')}, ${flagOf('tlsKey')}`))
  }
  return faults
}

function nameFaults({ workers = 1, workerName = null }: Values): TidemarkError[] {
  if (workers === 1 || workerName === null) return []
  if (isWorkerName(numberedName(workerName, workers))) return []
  const what = `is longer than 100 characters once a worker's number is appended, such as "-${workers}"`
  return [settingFault(what, flagOf('workerName'))]
}
