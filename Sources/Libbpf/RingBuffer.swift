// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// The only consumer of a ring-buffer map.
@safe public struct RingBuffer: ~Copyable {
    private let pointer: OpaquePointer
    private let consumer: Consumer

    /// Holds what is called for each record while a poll runs.
    private final class Consumer {
        var body: ((RawSpan) -> Void)?
    }

    public init(_ map: Map) throws(BPFError) {
        let consumer = Consumer()
        Messages.begin()
        let context = unsafe Unmanaged.passUnretained(consumer).toOpaque()
        let ring = unsafe ring_buffer__new(
            map.descriptor.value,
            { context, data, size in
                if let context = unsafe context, let data = unsafe data {
                    let consumer = unsafe Unmanaged<Consumer>.fromOpaque(context).takeUnretainedValue()
                    let record = unsafe UnsafeRawBufferPointer(start: data, count: size)
                    unsafe consumer.body?(record.bytes)
                }
                return 0
            }, context, nil)
        guard let ring = unsafe ring else {
            throw BPFError("read ring buffer", map.name, errno: Glibc.errno, messages: Messages.take())
        }
        unsafe pointer = ring
        self.consumer = consumer
    }

    deinit { unsafe ring_buffer__free(pointer) }

    /// Waits until the kernel wakes the reader or the time is over, then hands over every record that is there. Blocks
    /// the thread.
    public mutating func poll(milliseconds: Int32, _ body: (RawSpan) -> Void) throws(BPFError) {
        // The consume that follows takes records that did not wake the reader.
        let result = withoutActuallyEscaping(body) { body in
            consumer.body = body
            defer { consumer.body = nil }
            let result = unsafe ring_buffer__poll(pointer, milliseconds)
            return result < 0 && result != -EINTR ? result : unsafe ring_buffer__consume(pointer)
        }
        guard result >= 0 || result == -EINTR else {
            throw BPFError("read", "ring buffer", errno: -result)
        }
    }
}
