// Gives the outputs of the older version, so that its uncommitted ones can be compared.
import w1 from '../../bench/topologies/w1.ts'
import { patient } from '../../soak/patient.ts'

export default patient(w1)
