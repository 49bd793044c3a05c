const ASCII = 0x80
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

// 32 bits of a text's UTF-8, the same whether it is at hand as a text or as bytes: FNV-1a (Fowler, Noll, Vo), its bits mixed as
// MurmurHash3 ends (Appleby), so that the low ones depend on all.

export function hashOfBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = FNV_OFFSET
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] as number), FNV_PRIME)
  return mixed(hash)
}

export function hashOfText(text: string): number {
  let hash = FNV_OFFSET
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= ASCII) return mixed(hashOn(hash, text, i))
    hash = Math.imul(hash ^ unit, FNV_PRIME)
  }
  return mixed(hash)
}

/** Goes on from a unit on, beyond ASCII. Half a surrogate pair counts as if it had a UTF-8 of its own. */
function hashOn(begun: number, text: string, from: number): number {
  let hash = begun
  const take = (byte: number) => {
    hash = Math.imul(hash ^ byte, FNV_PRIME)
  }
  for (let i = from; i < text.length; i++) {
    const code = text.codePointAt(i) as number
    if (code < ASCII) take(code)
    else {
      const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3
      take(((0xff00 >> (more + 1)) & 0xff) | (code >> (6 * more)))
      for (let b = more - 1; b >= 0; b--) take(ASCII | ((code >> (6 * b)) & 0x3f))
      if (more === 3) i++
    }
  }
  return hash
}

function mixed(hash: number): number {
  let mixing = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixing = Math.imul(mixing ^ (mixing >>> 13), 0xc2b2ae35)
  return mixing ^ (mixing >>> 16)
}
