export { partitionName } from '../kernel/ids.ts'
