import { w1Shadowed } from './w1-shadow.ts'

// W1 with a shadow that writes its scores to the topic `card-shadow`.

export default w1Shadowed('card-shadow')
