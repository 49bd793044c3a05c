export function compiledSums(): Promise<string>
