import { messageOf, Refused, refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import type { Candidate } from './candidate.ts'
import { type Golden, readGolden } from './golden.ts'
import { type GoldenCheck, goldenDifferences, goldenFaults } from './golden-check.ts'
import type { MeasuredRunner } from './measured-runner.ts'
import { shown } from './model-bytes.ts'
import type { OpenedModel } from './open-model.ts'
import type { Runner } from './runner.ts'
import { type Signature, signatureFaults } from './signature.ts'
import { dependsOnBatch, sampleRows } from './warm-up.ts'

/** A model that has passed all checks, where it was opened. */
export interface Proven {
  readonly runner: MeasuredRunner
  readonly signature: Signature
  readonly golden: Golden | null
  /** Whether each row must be run alone, since other rows of a batch would change its scores. */
  readonly isAlone: boolean
  /** What its golden rows were checked against. */
  readonly check: GoldenCheck
}

/** Rows of the trial run: more than one, to detect a fixed batch size. */
const TRIAL_ROWS = 4

/**
 * Opens a model and checks it against its definition and its golden rows.
 *
 * @param open opens it where it will run
 * @throws Refused with all independent faults at once; checks that would only fail because of
 * another fault, such as the scores of a wrong file, are skipped
 */
export async function proveModel(
  candidate: Candidate,
  open: (candidate: Candidate) => Promise<OpenedModel>,
): Promise<Proven> {
  const { model, found, where } = candidate
  const faults = shaFaults(candidate)
  const check: GoldenCheck = { model, sha256: faults.length === 0 ? found.sha256 : null, where }
  const opened = await collected(open(candidate), faults)
  if (opened !== null) faults.push(...signatureFaults(model, opened.signature, where))
  const golden = candidate.golden && (await collected(readGolden(candidate.golden, where), faults))
  if (golden !== null) faults.push(...goldenFaults(golden, check))
  if (opened === null) throw new Refused(faults)

  const { runner } = opened
  try {
    refuseIfAny(faults)
    refuseIfAny(await trialFaults(runner, golden, check))
    const isAlone = await dependsOnBatch(runner, sampleRows(model.features.length, golden))
    const runs = isAlone ? { runner, atMost: 1 } : { runner }
    if (golden !== null) refuseIfAny(await goldenDifferences(golden, runs, check))
    return { runner, signature: opened.signature, golden, isAlone, check }
  } catch (error) {
    await runner.close()
    throw error
  }
}

async function trialFaults(
  runner: Runner,
  golden: Golden | null,
  { model, where }: GoldenCheck,
): Promise<TidemarkError[]> {
  const features = model.features.length
  try {
    await runner.run(sampleRows(features, golden).subarray(0, TRIAL_ROWS * features), TRIAL_ROWS)
    return []
  } catch (cause) {
    const message = `${model.name}@${model.version}: a trial run of ${TRIAL_ROWS} rows: ${messageOf(cause)}`
    const madeUp =
      golden === null ? '; these rows were generated: golden rows make a fairer trial' : ''
    const hint = `a model must take any number of rows and return its scores for each: export with a dynamic batch axis${madeUp}`
    return [new TidemarkError('MODEL_OUTPUT', message, { where, hint, cause })]
  }
}

function shaFaults({ model, found, sha256, where }: Candidate): TidemarkError[] {
  if (sha256 === null || sha256 === found.sha256) return []
  const message = `${model.name}@${model.version}: ${shown(found.file)} has sha256 ${found.sha256.slice(0, 12)}, the definition says ${sha256.slice(0, 12)}`
  const hint =
    'restore the intended file, or write the definition again, with a new version, with `tidemark model types`'
  return [new TidemarkError('MODEL_SHA256', message, { where, hint })]
}

/** The result; `null`: it failed, and the error has been added to `faults`. */
async function collected<T>(result: Promise<T>, faults: TidemarkError[]): Promise<T | null> {
  try {
    return await result
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error
    faults.push(error)
    return null
  }
}
