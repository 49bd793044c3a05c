import type { Config } from './config.ts'
import { SETTINGS, type SettingName } from './settings.ts'

/** The settings that `tidemark run` takes: all. */
export const RUN_SETTINGS = Object.keys(SETTINGS) as SettingName[]
/** The values of these settings. */
export type RunConfig = Config<SettingName>

/** The address that `run` serves HTTP on; `null`: none. */
export function httpAddressOf({ httpPort, httpHost }: RunConfig) {
  return httpPort === 'off' ? null : { port: httpPort, host: httpHost }
}
