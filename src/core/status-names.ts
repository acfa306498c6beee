/** Made once everything was published for the first time; secrets-provider-for-k8s calls it so. */
export const PROVIDED = 'CONJUR_SECRETS_PROVIDED'

/** Made anew whenever something has changed since. */
export const UPDATED = 'CONJUR_SECRETS_UPDATED'
