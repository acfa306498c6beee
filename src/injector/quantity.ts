const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/** A Kubernetes quantity (`50m`, `0.5`, `64Mi`, `1e6`) as a number of cores or bytes; undefined if it is none above zero. */
export function parseQuantity(text: string): number | undefined {
  const match = /^\+?(\d+\.?\d*|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?$/.exec(text)
  if (match === null) return undefined
  const [, digits, suffix = '', exponent] = match
  const scale = exponent === undefined ? SUFFIXES[suffix] : 10 ** Number(exponent)
  const value = Number(digits) * (scale ?? Number.NaN)
  return value > 0 ? value : undefined
}
