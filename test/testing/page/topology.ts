export { default } from '../../../topologies/card-fraud.ts'
