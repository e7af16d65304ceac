// SPDX-License-Identifier: Apache-2.0

/// What is served.
package protocol ServerPages: Sendable {
    /// Why a connection is refused for who has made it; nil: it is not. Called on the thread of all connections.
    func refusal(of peer: Peer?) -> ServerAnswer?

    /// Decides by a request's head, before its body is read. Called on the thread of all connections.
    func admission(of request: ServerRequest) -> ServerAdmission

    /// Called on a thread of its own, for one request at a time. It may block.
    func answer(_ request: ServerRequest, _ server: ServerFigures) -> ServerAnswer
}

extension ServerPages {
    package func refusal(of peer: Peer?) -> ServerAnswer? { nil }

    /// A body is passed over; ``ServerLimits/requestBytes`` bounds it.
    package func admission(of request: ServerRequest) -> ServerAdmission { .granted(bodyBytes: 0) }
}
