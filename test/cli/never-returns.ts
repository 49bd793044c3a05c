// Is killed 200 ms after it has begun, since it never comes back to JavaScript. Run with --import
// tsx.
import { killUnlessEnded } from '../../src/cli/exit-now.ts'

killUnlessEnded(200)
for (;;);
