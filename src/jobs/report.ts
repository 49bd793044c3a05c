// Words of a job to people while it runs.

export interface JobReport {
  say(line: string): void
  /** Says a line that asks for attention, and is not an error. */
  note(line: string): void
  /**
   * Shows how many records were read so far.
   * @param share of all records, 0 to 1, if it is known @returns a function that ends this
   */
  progress(records: () => number, share?: () => number): () => void
}

export const SILENT: JobReport = { say: () => {}, note: () => {}, progress: () => () => {} }

/** Notes a share of more than `most` percent. */
export function noteShare(
  report: JobReport,
  { percent, most }: { readonly percent: number; readonly most: number },
  text: string,
): void {
  if (percent > most) report.note(`${percent.toFixed(1)} % ${text}`)
}
