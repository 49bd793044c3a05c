// What the older version gave too, so that what it left uncommitted can be compared.
import w1 from '../../bench/topologies/w1.ts'
import { patient } from '../../soak/patient.ts'

export default patient(w1)
