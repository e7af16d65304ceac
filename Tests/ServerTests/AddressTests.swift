// SPDX-License-Identifier: Apache-2.0
import Server
import Testing

@Suite struct AddressTests {
    @Test(arguments: ["unix:/run/bulkhead/metrics", "127.0.0.1:9747", "[::1]:1", "127.0.0.1:65535"])
    func isTaken(text: String) throws { #expect(try ServerAddress(text).description == text) }

    @Test(arguments: [
        ("0.0.0.0:9747", "is not a loopback address"), ("[::]:9747", "is not a loopback address"),
        ("192.0.2.1:80", "is not a loopback address"), ("127.0.0.2:80", "is not a loopback address"),
        ("example.org:80", "is not a loopback address"), ("::1:80", "is not a loopback address"),
        (":9747", "not an address"), ("9747", "not an address"), ("", "not an address"),
        ("localhost:80", "not an address"),
        ("127.0.0.1:0", "not a port"), ("127.0.0.1:65536", "not a port"), ("127.0.0.1:", "not a port"),
        ("127.0.0.1:+1", "not a port"), ("127.0.0.1:٣", "not a port"),
        ("unix:", "not the whole path"), ("unix:metrics", "not the whole path"),
        ("unix:/metrics", "not the whole path"),
        ("unix:/run/../x", "not the whole path"), ("unix:/run//x", "not the whole path"),
        ("unix:/run/x/", "not the whole path"),
    ])
    func isRefused(text: String, why: String) {
        let error = #expect(throws: ServerError.self) { try ServerAddress(text) }
        #expect(error?.cause.contains(why) == true, "\(text): \(error?.cause ?? "")")
        #expect(error?.advice.isEmpty == false)
    }
}
