/** A model, or a part of one, is not known here: ONNX Runtime's it stays. The message says why. */
export class NotRead extends Error {
  override readonly name = 'NotRead'
}
