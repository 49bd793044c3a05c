import cardFraud from '../../../topologies/card-fraud.ts'
import { patient } from '../patient.ts'

export default patient(cardFraud)
