// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An answer that goes on. At most one piece of it is on its way to the client: what the client does not take is not
/// kept here.
package final class ServerStream: Sendable {
    private let channel: any Channel
    private let stall: TimeAmount
    private let ending: ServerEnding
    private let closed = Atomic<Bool>(false)

    init(_ channel: any Channel, stall: Duration, _ ending: ServerEnding) {
        self.channel = channel
        self.stall = TimeAmount(stall)
        self.ending = ending
        let number = ending.add(channel)
        channel.closeFuture.whenComplete { [self] _ in
            closed.store(true, ordering: .relaxed)
            ending.remove(number)
        }
    }

    /// Whether the client is gone, or the server ends.
    package var isClosed: Bool { closed.load(ordering: .relaxed) || ending.hasBegun }

    /// Sends a piece, and waits until the kernel has it. A client that takes nothing for too long is cut.
    ///
    /// - Returns: whether there still is a client.
    package func write(_ text: String) -> Bool {
        let part = HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: text)))
        let channel = channel
        let late = channel.eventLoop.scheduleTask(in: stall) { channel.close(promise: nil) }
        defer { late.cancel() }
        return (try? channel.writeAndFlush(part).wait()) != nil
    }

    func end() {
        let channel = channel
        channel.writeAndFlush(HTTPServerResponsePart.end(nil)).whenComplete { _ in channel.close(promise: nil) }
    }
}
