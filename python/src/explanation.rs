//! Why an exchange is granted or refused: for the operator, never for the client.

use pyo3::prelude::*;

use crate::token::loads;

/// What would become of a request, and why. `str()` of it is the text that `idjag explain` prints.
#[pyclass(frozen, module = "idjag")]
pub(crate) struct Explanation(pub(crate) idjag::Explanation);

#[pymethods]
impl Explanation {
    /// Whether a token would be issued.
    #[getter]
    fn granted(&self) -> bool {
        self.0.verdict.is_ok()
    }

    /// Why not.
    #[getter]
    fn slug(&self) -> Option<&'static str> {
        self.0.verdict.as_ref().err().map(|refusal| refusal.slug())
    }

    /// The smallest change that would lead further.
    #[getter]
    fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// The whole of it, as `idjag explain --json` prints it.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.0.to_json())
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }
}
