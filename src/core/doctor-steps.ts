/** What `doctor` looks at, in its order. */
export const stepIds = [
  'configuration',
  'token',
  'clock',
  'name',
  'TLS',
  'authenticator',
  'login',
  'variables',
  'volume',
] as const

/** One of these. */
export type StepId = (typeof stepIds)[number]
