/** Of this folder: what was found out about its trees holds until it changes. `house/edition` says what stands here. */
export const EDITION = '3f9183f828c5'
