/** Numbers of a series of counts, one a second, in windows of some seconds. */
export function windows(counts: readonly number[], seconds: number): readonly number[] {
  const sums: number[] = []
  for (let from = 0; from + seconds <= counts.length; from += seconds) {
    let sum = 0
    for (let at = from; at < from + seconds; at++) sum += counts[at] ?? 0
    sums.push(sum)
  }
  return sums
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

export function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0)
}

/** The largest window over the mean of all: 1 is perfectly even. */
export function peakToMean(counts: readonly number[], seconds: number): number {
  const sums = windows(counts, seconds)
  return largest(sums) / mean(sums)
}

/**
 * How much of a series swings together with a period, as a share of its mean: the largest amplitude of
 * a sine among periods from half to twice `periodSeconds`. 0 is none at all, 2 is everybody in one
 * second of each period; N independent agents leave about 2/√(N × periods).
 */
export function waveAt(counts: readonly number[], periodSeconds: number): number {
  let most = 0
  for (let share = 0.5; share <= 2; share *= 1.005) {
    most = Math.max(most, amplitude(counts, periodSeconds * share))
  }
  return most
}

function amplitude(counts: readonly number[], periodSeconds: number): number {
  // Whole periods only: a cut one would leave a rest that is no wave.
  const length = Math.floor(Math.floor(counts.length / periodSeconds) * periodSeconds)
  let [sine, cosine, sum] = [0, 0, 0]
  const step = (2 * Math.PI) / periodSeconds
  for (let at = 0; at < length; at++) {
    const count = counts[at] ?? 0
    sine += count * Math.sin(step * at)
    cosine += count * Math.cos(step * at)
    sum += count
  }
  return sum === 0 ? 0 : (2 * Math.hypot(sine, cosine)) / sum
}
